/** What a setting is: its kind, its default and what it means. */
import type { SettingKind } from './kinds.js'

export interface Setting<T> {
  kind: SettingKind<T>
  /** Text, as a user would give it; undefined: nothing. */
  default?: string | (() => string)
  /** How the default is shown where it depends on the machine. */
  defaultIs?: string
  means: string
  /**
   * Never a flag (other users of the machine see those) and never printed; may come from a file of
   * its own.
   */
  secret?: true
}

export function optional<T>(
  kind: SettingKind<T>,
  means: string,
  more: Partial<Setting<T>> = {},
): Setting<T> {
  return { kind, means, ...more }
}

/** A setting that always has a value; the type keeps the two apart. */
export interface Given<T> extends Setting<T> {
  default: string | (() => string)
}

export function given<T>(
  kind: SettingKind<T>,
  byDefault: string | (() => string),
  means: string,
  more: Partial<Setting<T>> = {},
): Given<T> {
  return { kind, default: byDefault, means, ...more }
}
