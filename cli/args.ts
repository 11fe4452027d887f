/** The flags of a command line: which there are, and how they are read. */
import { parseArgs } from 'node:util'
import { SETTINGS, SETTING_NAMES } from '../runtime/config/setting-table.js'
import { flagOf } from '../runtime/config/setting-names.js'
import { BOOLEAN } from '../runtime/config/kinds.js'
import { suggestion } from '../runtime/config/load.js'
import { UsageError } from './usage-error.js'
import type { Command, Option } from './command.js'

/** Flags of every command. */
export const COMMON: Record<string, Option> = {
  config: {
    type: 'string',
    value: '<file>',
    means: 'settings file (default: `sluice.yaml` in the home)',
  },
  'print-config': { type: 'boolean', means: 'print the settings and where each came from' },
  json: { type: 'boolean', means: 'print JSON' },
  help: { type: 'boolean', means: 'print this' },
}

/** Flags of the commands that speak to a controller. */
export const CLIENT: Record<string, Option> = {
  home: {
    type: 'string',
    value: '<folder>',
    means: 'folder of the Sluice to speak to, by its socket `api.sock`',
  },
  api: { type: 'string', value: '<url>', means: 'address of the API, in place of the socket' },
  'token-file': { type: 'string', value: '<file>', means: 'file with the token for that address' },
}

/** Settings as flags; `--onetime` needs no value. */
function settingOptions(): Record<string, Option> {
  const options: Record<string, Option> = {}
  for (const name of SETTING_NAMES) {
    const { kind, means, secret } = SETTINGS[name]
    const isSwitch = (kind as unknown) === BOOLEAN
    const described = 'secret' in SETTINGS[name] && secret ? 'file with the ' + means : means
    options[flagOf(name)] = isSwitch
      ? { type: 'boolean', means: described }
      : { type: 'string', value: '<…>', means: described }
  }
  return options
}

export function optionsOf(command: Command): Record<string, Option> {
  const settings = command.settings === 'all' ? settingOptions() : CLIENT
  return { ...command.options, ...settings, ...COMMON }
}

export interface Parsed {
  positionals: string[]
  flags: Map<string, string>
  repeated: Map<string, string[]>
}

/**
 * Everything is checked here, so that a typing error is named and never taken for something else.
 */
export function parseCommandLine(args: string[], options: Record<string, Option>): Parsed {
  const { tokens } = parseArgs({
    args: args.map((arg) => (arg === '-h' ? '--help' : arg)),
    options: Object.fromEntries(
      Object.entries(options).map(([name, { type }]) => [name, { type }]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const parsed: Parsed = { positionals: [], flags: new Map(), repeated: new Map() }
  for (const token of tokens) {
    if (token.kind === 'positional') {
      parsed.positionals.push(token.value)
    } else if (token.kind === 'option') {
      const value = guardFlag(token, options, parsed.flags)
      if (options[token.name]?.repeats === true) {
        parsed.repeated.set(token.name, [...(parsed.repeated.get(token.name) ?? []), value])
      } else {
        parsed.flags.set(token.name, value)
      }
    }
  }
  return parsed
}

interface FlagToken {
  name: string
  rawName: string
  value: string | undefined
  inlineValue: boolean | undefined
}

function guardFlag(
  token: FlagToken,
  options: Record<string, Option>,
  seen: Map<string, string>,
): string {
  const { name, rawName, value, inlineValue } = token
  const option = options[name]
  if (option === undefined || rawName !== '--' + name) {
    throw new UsageError(`unknown flag ${rawName}${suggestion(name, Object.keys(options), '--')}`)
  }
  if (seen.has(name)) {
    throw new UsageError(`${rawName} is given twice`)
  }
  if (option.type === 'boolean') {
    return guardSwitch(rawName, value ?? 'true')
  }
  if (value === undefined || (inlineValue !== true && value.startsWith('-'))) {
    throw new UsageError(`${rawName} needs a value`)
  }
  return value
}

/** `true` or `false`, however it is spelt. */
function guardSwitch(rawName: string, text: string): string {
  const value = BOOLEAN.parse(text, '')
  if (value === undefined) {
    throw new UsageError(
      `${rawName}: ${JSON.stringify(text)} is not right; expected ${BOOLEAN.expected}`,
    )
  }
  return BOOLEAN.print(value)
}
