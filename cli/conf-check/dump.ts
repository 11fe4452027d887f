/** What `nginx -T` prints, as blocks of directives with the places where they stand. */
import { parseConf } from './parse-conf.js'
import type { Directive } from './parse-conf.js'

const FILE = /^# configuration file (.+):$/
/** Text of each file, by its path; the first is the main one. */
function filesIn(dump: string): Map<string, string> {
  const files = new Map<string, string>()
  let current = ''
  for (const line of dump.split('\n')) {
    const path = FILE.exec(line)?.[1]
    if (path !== undefined) {
      current = path
      files.set(current, '')
    } else if (current !== '') {
      files.set(current, `${files.get(current) ?? ''}${line}\n`)
    }
  }
  return files
}

function matcher(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^$()|[\]\\{}]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '[^/]*').replaceAll('?', '[^/]')}$`)
}

/** The directives of the main file; what is included stands where it is included. */
export function readDump(dump: string): Directive[] {
  const files = filesIn(dump)
  const [main = ''] = files.keys()
  const folder = main.slice(0, main.lastIndexOf('/') + 1)
  const expand = (directives: Directive[], depth: number): Directive[] =>
    directives.flatMap((directive) => {
      const { name, args, block } = directive
      if (name !== 'include' || depth > 16) {
        return [{ ...directive, block: block && expand(block, depth) }]
      }
      const [path = ''] = args
      const wanted = matcher(path.startsWith('/') ? path : folder + path)
      const found = [...files].filter(([each]) => wanted.test(each))
      return found.flatMap(([each, text]) => expand(parseConf(text, each), depth + 1))
    })
  return expand(parseConf(files.get(main) ?? '', main), 0)
}
