/** The texts of `--help`. */
import { SETTING_NAMES, settingOf } from '../runtime/config/setting-table.js'
import { defaultOf, flagOf, variableOf } from '../runtime/config/setting-names.js'
import { CLIENT, COMMON } from './args.js'
import type { Command, Option } from './command.js'

function heading(title: string, lines: string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines]
}

function twoColumns(rows: Array<[left: string, right: string]>): string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`.trimEnd())
}

function optionRows(options: Record<string, Option>): Array<[string, string]> {
  return Object.entries(options).map(([name, { value, means }]) => [
    `--${name}${value === undefined ? '' : ` ${value}`}`,
    means,
  ])
}

function settingRows(): Array<[string, string]> {
  return SETTING_NAMES.map((name) => {
    const { means, defaultIs } = settingOf(name)
    const given = defaultIs ?? defaultOf(name)
    const shown = given === undefined ? '' : ` (default: ${given})`
    return [`--${flagOf(name)}`, `${means}${shown} [${variableOf(name)}]`]
  })
}

export function overview(commands: Command[]): string {
  const rows = commands.map(({ name, usage, summary }): [string, string] => [
    `${name} ${usage}`.trimEnd(),
    summary,
  ])
  return [
    'sluice: upstreams of nginx that change without a reload',
    '',
    'usage: sluice <command> [flags]',
    ...heading('commands', twoColumns(rows)),
    '',
    'sluice <command> --help says more; sluice --version prints the version.',
  ].join('\n')
}

export function helpFor(command: Command): string {
  const takesAll = command.settings === 'all'
  const own = { ...command.options, ...(takesAll ? {} : CLIENT), ...COMMON }
  return [
    `usage: sluice ${command.name} ${command.usage}`.trimEnd() + ' [flags]',
    '',
    command.summary,
    ...heading('flags', twoColumns(optionRows(own))),
    ...(takesAll ? heading('settings', twoColumns(settingRows())) : []),
  ].join('\n')
}
