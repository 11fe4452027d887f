/** A configuration that was read, as another process is given it and as people are shown it. */
import type { Config } from './load.js'
import { SETTINGS, SETTING_NAMES, settingOf } from './setting-table.js'
import { flagOf, variableOf } from './setting-names.js'

/**
 * What makes another Sluice process decide the same: flags for what may be seen, variables for
 * secrets. The pair goes to `spawn`. Of a secret in a file the path is passed on, so that the other
 * process reads it again when it is rotated.
 */
export function toProcess({ values, files }: Pick<Config, 'values' | 'files'>): {
  flags: string[]
  environment: NodeJS.ProcessEnv
} {
  const flags: string[] = []
  const environment: NodeJS.ProcessEnv = { ...process.env }
  for (const name of SETTING_NAMES) {
    const value: unknown = values[name]
    const { kind, secret } = settingOf(name)
    if (secret === true) {
      delete environment[variableOf(name)]
      delete environment[variableOf(name) + '_FILE']
    }
    const file = files.get(name)
    if (file !== undefined) {
      environment[variableOf(name) + '_FILE'] = file
    } else if (value !== undefined && secret === true) {
      environment[variableOf(name)] = kind.print(value)
    } else if (value !== undefined) {
      flags.push(`--${flagOf(name)}=${kind.print(value)}`)
    }
  }
  return { flags, environment }
}

/**
 * The result, a line for each setting with where it came from; secrets are only said to be there.
 */
export function printConfig({ values, origins }: Config): string {
  const lines = SETTING_NAMES.map((name) => {
    const value: unknown = values[name]
    const { kind, secret } = SETTINGS[name] as {
      kind: { print(value: unknown): string }
      secret?: true
    }
    const text = value === undefined ? 'null' : secret === true ? '"(set)"' : kind.print(value)
    return `${name}: ${text} # ${origins.get(name) ?? 'default'}`
  })
  return lines.join('\n') + '\n'
}
