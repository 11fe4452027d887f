/** Reads an nginx.conf with all that it includes. */
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { SluiceError, messageOf, systemCode } from '../../../runtime/errors.js'
import { parseConf } from '../../conf-check/parse-conf.js'
import type { Directive } from '../../conf-check/parse-conf.js'

/** As deep as files may include each other: more is one that includes itself. */
const MOST_DEPTH = 16

function readText(file: string, at: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const what = systemCode(error) === 'ENOENT' ? 'does not exist' : messageOf(error)
    throw new SluiceError('invalid', `${at}${file} cannot be read: ${what}`)
  }
}

function matcher(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^$()|\\{}]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`)
}

/** The files that a pattern of nginx's stands for, in its order. No file is no error there. */
function filesOf(pattern: string, at: string): string[] {
  let found = ['/']
  for (const part of pattern.split('/').filter((each) => each !== '')) {
    found = found.flatMap((folder) => {
      if (!/[*?[]/.test(part)) {
        return [join(folder, part)]
      }
      const wanted = matcher(part)
      const isHidden = (name: string) => name.startsWith('.') && !part.startsWith('.')
      return namesIn(folder, at)
        .filter((name) => wanted.test(name) && !isHidden(name))
        .sort()
        .map((name) => join(folder, name))
    })
  }
  return found
}

function namesIn(folder: string, at: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') {
      return []
    }
    throw new SluiceError('invalid', `${at}${folder} cannot be read: ${messageOf(error)}`)
  }
}

/**
 * The directives of `path`; what is included stands where it is included. Relative includes are
 * below the folder of `path`, as nginx has it. Throws `invalid` with file and line.
 */
export function readConf(path: string): Directive[] {
  const main = resolve(path)
  const read = (file: string, at: string, depth: number): Directive[] => {
    if (depth > MOST_DEPTH) {
      throw new SluiceError('invalid', `${at}${file} is included by itself, or too deep`)
    }
    return expand(parseConf(readText(file, at), file), depth)
  }
  const expand = (directives: Directive[], depth: number): Directive[] =>
    directives.flatMap((directive) => {
      const { name, args, block, at } = directive
      if (name !== 'include' || args[0] === undefined) {
        return [{ ...directive, block: block && expand(block, depth) }]
      }
      const wanted = resolve(dirname(main), args[0])
      return filesOf(wanted, `${at}: `).flatMap((file) => read(file, `${at}: `, depth + 1))
    })
  return read(main, '', 0)
}
