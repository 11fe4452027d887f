/** A command line as Go's programs read it: `-ip 10.0.0.7`, `--ip=10.0.0.7`. Pure. */
import { UsageError } from '../usage-error.js'

export interface GoFlags {
  /** In order. A switch has `true`; a flag that `takesValue` does not know has no value. */
  flags: Array<{ name: string; value: string | undefined }>
  positionals: string[]
}

/** `takesValue`: whether a flag has one; undefined: there is no such flag. Flags come first. */
export function readGoFlags(
  args: readonly string[],
  takesValue: (name: string) => boolean | undefined,
): GoFlags {
  const read: GoFlags = { flags: [], positionals: [] }
  for (let i = 0; i < args.length; i++) {
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(args[i] ?? '')
    const [, name, given] = match ?? []
    if (name === undefined) {
      read.positionals.push(args[i] ?? '')
    } else if (takesValue(name) === true) {
      const value = given ?? args[++i]
      if (value === undefined) {
        throw new UsageError(`-${name} needs a value`)
      }
      read.flags.push({ name, value })
    } else {
      read.flags.push({ name, value: given ?? (takesValue(name) === false ? 'true' : undefined) })
    }
  }
  return read
}
