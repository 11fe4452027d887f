/** Settings from a YAML file, and secrets from files of their own. */
import { readFileSync } from 'node:fs'
import { readSecretFile } from './secret.js'
import { resolve } from 'node:path'
import { isMap, isScalar, parseDocument } from 'yaml'
import { SETTING_NAMES, settingOf } from './setting-table.js'
import type { SettingName } from './setting-table.js'
import type { SettingText, SettingTexts } from './sources.js'
import { SluiceError, messageOf } from '../errors.js'
import { nearest } from './nearest.js'

function refuse(origin: string, problem: string): never {
  throw new SluiceError('invalid', `${origin}: ${problem}`)
}

/** A secret that is set by naming its file. Throws `invalid`. */
export function readSecret(
  path: string,
  origin: string,
): Pick<Required<SettingText>, 'text' | 'file'> {
  try {
    return { text: readSecretFile(path), file: path }
  } catch (error) {
    return refuse(origin, `${path} cannot be read (${messageOf(error)})`)
  }
}

/** Names as they may stand in the file; a secret also as `apiTokenFile`. */
function knownKeys(): Map<string, { name: SettingName; isFile: boolean }> {
  const known = new Map<string, { name: SettingName; isFile: boolean }>()
  for (const name of SETTING_NAMES) {
    known.set(name, { name, isFile: false })
    if (settingOf(name).secret === true) {
      known.set(name + 'File', { name, isFile: true })
    }
  }
  return known
}

function parseYaml(path: string): Array<[key: string, text: string | null | undefined]> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    return refuse('settings file', `${path} cannot be read (${messageOf(error)})`)
  }
  const document = parseDocument(text, { prettyErrors: true })
  const problem = document.errors[0]
  if (problem !== undefined) {
    refuse(path, problem.message)
  }
  if (document.contents === null) {
    return []
  }
  if (!isMap(document.contents)) {
    return refuse(path, 'must be a list of settings such as "httpPort: 8080"')
  }
  return document.contents.items.map(({ key, value }) => [
    isScalar(key) ? String(key.value) : '',
    scalarText(value),
  ])
}

/**
 * As it stands in the file, so that `0123` stays what it is; null when nothing is there, undefined
 * for a list or a map.
 */
function scalarText(node: unknown): string | null | undefined {
  if (node === null || !isScalar(node)) {
    return node === null ? null : undefined
  }
  if (node.value === null) {
    return null
  }
  return typeof node.value === 'string' ? node.value : (node.source ?? '')
}

/** What a YAML file says, by setting. Relative paths in it are taken from `base`. */
export function readFileValues(path: string, base: string): SettingTexts {
  const known = knownKeys()
  const texts: SettingTexts = new Map()
  for (const [key, text] of parseYaml(path)) {
    const origin = `${path}: ${key}`
    const entry = known.get(key)
    if (entry === undefined) {
      const name = nearest(key, known.keys())
      return refuse(origin, 'no such setting' + (name ? `; did you mean ${name}?` : ''))
    }
    if (text === null) {
      continue
    }
    if (text === undefined) {
      return refuse(origin, 'must be a single value')
    }
    if (texts.has(entry.name)) {
      return refuse(origin, `${entry.name} and ${entry.name}File are both set; keep one`)
    }
    texts.set(entry.name, {
      ...(entry.isFile ? readSecret(resolve(base, text), origin) : { text }),
      origin,
      base,
    })
  }
  return texts
}
