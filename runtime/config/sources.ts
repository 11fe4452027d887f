/** Where the text of a setting came from. */
import type { SettingName } from './setting-table.js'

/**
 * One text for one setting, and where it came from: `flag --http-port`, `SLUICE_HTTP_PORT`,
 * `sluice.yaml: httpPort`.
 */
export interface SettingText {
  text: string
  /** The file that a secret stands in, as an absolute path. */
  file?: string
  origin: string
  /** Relative paths are taken from here. */
  base: string
}

export type SettingTexts = Map<SettingName, SettingText>
