/**
 * `sluice`: the exit code is 0 when it worked, 1 when it failed, 2 when the command line or a
 * setting is wrong.
 */
import './quiet-signals.js'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SETTING_NAMES } from '../runtime/config/setting-table.js'
import { flagOf } from '../runtime/config/setting-names.js'
import { loadConfig, suggestion } from '../runtime/config/load.js'
import { printConfig } from '../runtime/config/print.js'
import type { Config } from '../runtime/config/load.js'
import { SluiceError, messageOf, systemCode } from '../runtime/errors.js'
import { optionsOf, parseCommandLine } from './args.js'
import type { Parsed } from './args.js'
import { connect, ownApiUrl } from './client.js'
import type { ApiClient } from './client.js'
import { isOn } from './command.js'
import { UsageError } from './usage-error.js'
import type { Command } from './command.js'
import { COMMANDS } from './commands/all.js'
import { helpFor, overview } from './help.js'
import { printable } from '../runtime/printable.js'

const PROGRAM = fileURLToPath(import.meta.url)

let output: { write(text: string): unknown } = process.stdout

function print(line: string): void {
  output.write(printable(line) + '\n')
}

function version(): string {
  const file = fileURLToPath(new URL('../package.json', import.meta.url))
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

function findCommand(name: string): Command {
  if (name.startsWith('-')) {
    throw new UsageError(`${name} stands before the command; usage: sluice <command> [flags]`)
  }
  const command = COMMANDS.find((each) => each.name === name)
  if (command === undefined) {
    const names = COMMANDS.map((each) => each.name)
    const advice = suggestion(name, names) || '; "sluice --help" lists all of them'
    throw new UsageError(`unknown command ${JSON.stringify(name)}${advice}`)
  }
  return command
}

function guardPositionals(command: Command, { positionals }: Parsed): void {
  const [least, most] = command.positionals
  const usage = `usage: sluice ${command.name} ${command.usage}`.trimEnd()
  if (positionals.length < least) {
    const missing = command.usage.split(' ')[positionals.length]
    throw new UsageError(`${missing} is missing; ${usage}`)
  }
  const surplus = positionals[most]
  if (surplus !== undefined) {
    const advice = /^(true|false)$/.test(surplus) ? `; a switch takes it as --flag=${surplus}` : ''
    throw new UsageError(`unexpected argument ${JSON.stringify(surplus)}${advice}; ${usage}`)
  }
}

/** Only what the settings know: a command's own flags mean something else there. */
function readConfig(command: Command, { flags }: Parsed): Config {
  const settings = new Map<string, string>()
  const known = new Set([...SETTING_NAMES.map(flagOf), 'config'])
  for (const [name, text] of flags) {
    const flag = command.settings === 'client' && name === 'token-file' ? 'api-token-file' : name
    if (known.has(flag)) {
      settings.set(flag, text)
    }
  }
  try {
    return loadConfig({ flags: settings, environment: process.env, directory: process.cwd() })
  } catch (error) {
    if (error instanceof SluiceError) {
      throw new UsageError(error.message)
    }
    throw error
  }
}

/** The token of this machine's own home is good for this machine's own port alone. */
function tokenFor(config: Config, url: string | undefined): string | undefined {
  const { apiToken, home } = config.settings
  if (apiToken !== undefined || url !== undefined) {
    return apiToken
  }
  try {
    return readFileSync(join(home, 'api-token'), 'utf8').trim()
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      return undefined
    }
    throw error
  }
}

async function runCommand(command: Command, parsed: Parsed): Promise<number> {
  const { flags, positionals, repeated } = parsed
  const config = readConfig(command, parsed)
  if (isOn(flags, 'print-config')) {
    process.stdout.write(printConfig(config))
    return 0
  }
  if (command.serves?.(flags) === true) {
    const { serviceOutput } = await import('../runtime/service-output.js')
    output = serviceOutput()
  }
  const clients: ApiClient[] = []
  const openClient = () => {
    const given = flags.get('api') ?? process.env['SLUICE_API'] ?? ''
    const url = given === '' ? undefined : given
    const { settings } = config
    const place = { home: settings.home, ownUrl: ownApiUrl(settings) }
    const client = connect({ ...place, url, token: tokenFor(config, url) })
    clients.push(client)
    return client
  }
  try {
    const json = isOn(flags, 'json')
    const invocation = { positionals, flags, repeated, config, json, print, program: PROGRAM }
    return await command.run({ ...invocation, connect: openClient })
  } finally {
    await Promise.all(clients.map((client) => client.close()))
  }
}

async function main(args: string[]): Promise<number> {
  const [name = '--help', ...rest] = args
  if (name === '--version' || name === '-v') {
    print(version())
    return 0
  }
  if (name === '--help' || name === '-h' || (name === 'help' && rest.length === 0)) {
    print(overview(COMMANDS))
    return 0
  }
  const command = findCommand(name === 'help' ? (rest[0] ?? '') : name)
  const parsed = parseCommandLine(name === 'help' ? ['--help'] : rest, optionsOf(command))
  if (isOn(parsed.flags, 'help')) {
    print(helpFor(command))
    return 0
  }
  guardPositionals(command, parsed)
  return runCommand(command, parsed)
}

function explainFailure(error: unknown): number {
  const message = messageOf(error)
  const field = error instanceof SluiceError ? (error.field ?? '') : ''
  // Most messages name it.
  const suffix = message.includes(field) ? '' : ` (field: ${field})`
  process.stderr.write(printable(`sluice: ${message}${suffix}`) + '\n')
  if (process.env['SLUICE_LOG_LEVEL'] === 'debug' && error instanceof Error) {
    process.stderr.write(printable(`${error.stack ?? ''}\n`))
  }
  return error instanceof UsageError ? 2 : 1
}

/** A reader such as `head` may leave early; that is no failure. */
process.stdout.on('error', (error) => {
  // A terminal that was closed answers EIO.
  if (!['EPIPE', 'EIO'].includes(systemCode(error) ?? '')) {
    process.stderr.write(`sluice: the output cannot be written: ${messageOf(error)}\n`)
    process.exit(1)
  }
})
// There is no place left to say it.
process.stderr.on('error', () => undefined)

process.exitCode = await main(process.argv.slice(2)).catch(explainFailure)

// The channel to a supervisor would keep a part that has ended.
if (process.connected) {
  process.disconnect()
}
