/**
 * Settings from flags, environment, file and defaults, in this order. What is unknown or wrong is
 * refused by name.
 */
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { SETTING_NAMES, settingOf } from './setting-table.js'
import { defaultOf, flagOf, variableOf } from './setting-names.js'
import type { SettingName, Values } from './setting-table.js'
import { wrongTogether } from './together.js'
import { readFileValues, readSecret } from './file.js'
import { SluiceError } from '../errors.js'
import { nearest } from './nearest.js'
import type { Settings } from './settings.js'
import { toSettings } from './to-settings.js'
import type { SecretFiles } from './to-settings.js'
import type { SettingText, SettingTexts } from './sources.js'

/**
 * Variables that are ours but no settings: the client's address of the API, and where the file is.
 */
const OTHER_VARIABLES = ['SLUICE_API', 'SLUICE_CONFIG']
/** Variables under this prefix belong to the tests. */
const TEST_PREFIX = 'SLUICE_TEST_'

export interface ConfigInput {
  /** Flags without their dashes: `{'http-port': '8080'}`. Only settings' flags and `config`. */
  flags: ReadonlyMap<string, string>
  environment: NodeJS.ProcessEnv
  directory: string
}

export interface Config {
  settings: Settings
  /** Where each setting came from, for `--print-config`. */
  origins: ReadonlyMap<SettingName, string>
  values: Values
  files: SecretFiles
}

function invalid(origin: string, problem: string, field?: string): SluiceError {
  return new SluiceError('invalid', `${origin}: ${problem}`, field === undefined ? {} : { field })
}

function fromFlags({ flags, directory }: ConfigInput): SettingTexts {
  const texts: SettingTexts = new Map()
  for (const name of SETTING_NAMES) {
    const text = flags.get(flagOf(name))
    if (text === undefined) {
      continue
    }
    const origin = 'flag --' + flagOf(name)
    const secret = settingOf(name).secret === true
    texts.set(name, {
      ...(secret ? readSecret(resolve(directory, text), origin) : { text }),
      origin,
      base: directory,
    })
  }
  return texts
}

/**
 * Every variable that has our prefix must be known: a typing error there would otherwise be silent.
 */
function guardVariables(environment: NodeJS.ProcessEnv): void {
  const known = new Set(OTHER_VARIABLES)
  for (const name of SETTING_NAMES) {
    known.add(variableOf(name))
    if (settingOf(name).secret === true) {
      known.add(variableOf(name) + '_FILE')
    }
  }
  for (const variable of Object.keys(environment)) {
    const ours = variable.startsWith('SLUICE_') && !variable.startsWith(TEST_PREFIX)
    if (ours && !known.has(variable)) {
      throw invalid('environment ' + variable, 'no such setting' + suggestion(variable, known))
    }
  }
}

export function suggestion(given: string, known: Iterable<string>, prefix = ''): string {
  const name = nearest(given, known)
  return name === undefined ? '' : `; did you mean ${prefix}${name}?`
}

/**
 * An empty variable is one that is not set: compose files and shells cannot always leave it out.
 */
function fromEnvironment({ environment, directory }: ConfigInput): SettingTexts {
  guardVariables(environment)
  const texts: SettingTexts = new Map()
  for (const name of SETTING_NAMES) {
    const variable = variableOf(name)
    const text = environment[variable] ?? ''
    const file = settingOf(name).secret === true ? (environment[variable + '_FILE'] ?? '') : ''
    if (text !== '' && file !== '') {
      throw invalid('environment', `both ${variable} and ${variable}_FILE are set; keep one`, name)
    }
    if (text !== '') {
      texts.set(name, { text, origin: 'environment ' + variable, base: directory })
    }
    if (file !== '') {
      const origin = `environment ${variable}_FILE`
      const secret = readSecret(resolve(directory, file), origin)
      texts.set(name, { ...secret, origin, base: directory })
    }
  }
  return texts
}

function fromFile(input: ConfigInput, home: string): SettingTexts {
  const { flags, environment, directory } = input
  const chosen = flags.get('config') ?? environment['SLUICE_CONFIG'] ?? ''
  const path = chosen === '' ? join(home, 'sluice.yaml') : resolve(directory, chosen)
  if (chosen === '' && !existsSync(path)) {
    return new Map()
  }
  const texts = readFileValues(path, dirname(path))
  const named = texts.get('home')
  if (chosen === '' && named !== undefined) {
    throw invalid(named.origin, 'a file that is found through the home cannot set it', 'home')
  }
  return texts
}

function parse(name: SettingName, given: SettingText): unknown {
  const { kind, secret } = settingOf(name)
  const value = kind.parse(given.text, given.base)
  if (value === undefined) {
    const shown = secret === true ? 'the value' : JSON.stringify(given.text.slice(0, 200))
    throw invalid(given.origin, `${shown} is not right; expected ${kind.expected}`, name)
  }
  return value
}

function fallback(name: SettingName, base: string): SettingText | undefined {
  const text = defaultOf(name)
  return text === undefined ? undefined : { text, origin: 'default', base }
}

/**
 * Reads everything that says something, and decides. Throws `invalid`, which names the setting and
 * where it came from.
 */
export function loadConfig(input: ConfigInput): Config {
  const flags = fromFlags(input)
  const environment = fromEnvironment(input)
  const early = flags.get('home') ?? environment.get('home') ?? fallback('home', input.directory)
  const file = fromFile(input, String(parse('home', early as SettingText)))
  const values: Partial<Record<SettingName, unknown>> = {}
  const origins = new Map<SettingName, string>()
  const files = new Map<SettingName, string>()
  for (const name of SETTING_NAMES) {
    const sources = [flags, environment, file]
    const given = sources.map((source) => source.get(name)).find((each) => each !== undefined)
    const decided = given ?? fallback(name, input.directory)
    values[name] = decided === undefined ? undefined : parse(name, decided)
    origins.set(name, decided?.origin ?? 'default')
    if (decided?.file !== undefined) {
      files.set(name, decided.file)
    }
  }
  const complete = values as Values
  const wrong = wrongTogether(complete)
  if (wrong !== undefined) {
    throw invalid(origins.get(wrong.name) ?? wrong.name, wrong.problem, wrong.name)
  }
  return { settings: toSettings(complete, files), origins, values: complete, files }
}
