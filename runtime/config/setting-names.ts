/** How a setting is named and shown: its flag, its variable, its default, its row in the docs. */
import { SETTING_NAMES, settingOf } from './setting-table.js'
import type { SettingName } from './setting-table.js'

/** `httpPort` → `http-port`; a secret's value is no flag, the path of its file is. */
export function flagOf(name: SettingName): string {
  const kebab = name.replace(/[A-Z]/g, (letter) => '-' + letter.toLowerCase())
  return settingOf(name).secret === true ? kebab + '-file' : kebab
}

/** `httpPort` → `SLUICE_HTTP_PORT` */
export function variableOf(name: SettingName): string {
  return 'SLUICE_' + name.replace(/[A-Z]/g, (letter) => '_' + letter).toUpperCase()
}

export function defaultOf(name: SettingName): string | undefined {
  const given = settingOf(name).default
  return typeof given === 'function' ? given() : given
}

/** The table of docs/settings.md. */
export function settingsTable(): string {
  const rows = SETTING_NAMES.map((name) => {
    const { means, default: given, defaultIs, secret } = settingOf(name)
    const shown = defaultIs ?? (typeof given === 'string' ? '`' + given + '`' : '')
    const variable = '`' + variableOf(name) + '`' + (secret === true ? ', `…_FILE`' : '')
    return `| ${variable} | \`--${flagOf(name)}\` | ${shown} | ${means} |`
  })
  return ['| variable | flag | default | means |', '|---|---|---|---|', ...rows].join('\n')
}
