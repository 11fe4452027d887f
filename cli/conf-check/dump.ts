/** What `nginx -T` prints, as blocks of directives with the places where they stand. */

export interface Directive {
  name: string
  args: string[]
  /** `/etc/nginx/nginx.conf:12` */
  at: string
  /** Path of the file. */
  file: string
  block: Directive[] | undefined
}

interface Token {
  text: string
  line: number
  isQuoted: boolean
}

const FILE = /^# configuration file (.+):$/
const TOKEN = /\s+|#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[;{}]|(?:\\.|\$\{|[^\s;{}\\])+\}?/gs

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

function* tokensOf(text: string): Generator<Token> {
  let line = 1
  for (const [piece] of text.matchAll(TOKEN)) {
    const isQuoted = piece.startsWith('"') || piece.startsWith("'")
    if (!/^(\s|#)/.test(piece)) {
      yield { text: isQuoted ? piece.slice(1, -1) : piece, line, isQuoted }
    }
    line += piece.split('\n').length - 1
  }
}

function parse(tokens: Iterator<Token>, file: string): Directive[] {
  const directives: Directive[] = []
  let words: Token[] = []
  const end = (block: Directive[] | undefined) => {
    const [name, ...args] = words
    if (name !== undefined) {
      const at = `${file}:${name.line}`
      directives.push({ name: name.text, args: args.map(({ text }) => text), at, file, block })
    }
    words = []
  }
  for (let next = tokens.next(); next.done !== true; next = tokens.next()) {
    const token = next.value
    if (token.isQuoted || !/^[;{}]$/.test(token.text)) {
      words.push(token)
    } else if (token.text === '{') {
      end(parse(tokens, file))
    } else if (token.text === ';') {
      end(undefined)
    } else {
      break
    }
  }
  return directives
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
      return found.flatMap(([each, text]) => expand(parse(tokensOf(text), each), depth + 1))
    })
  return expand(parse(tokensOf(files.get(main) ?? ''), main), 0)
}
