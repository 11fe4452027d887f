/** The text of a file of nginx's → its directives, with the places where they stand. Pure. */
import { SluiceError } from '../../runtime/errors.js'

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

const TOKEN = /\s+|#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[;{}]|(?:\\.|\$\{|[^\s;{}\\])+\}?/gs

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

function wrongAt(file: string, line: number, what: string): SluiceError {
  return new SluiceError('invalid', `${file}:${line}: ${what}`)
}

/** `opened`: the brace that began the block; undefined for the file itself. */
function parseBlock(tokens: Iterator<Token>, file: string, opened?: Token): Directive[] {
  const directives: Directive[] = []
  let words: Token[] = []
  const end = (at: Token, block?: Directive[]) => {
    const [name, ...args] = words
    if (name === undefined) {
      throw wrongAt(file, at.line, `unexpected "${at.text}"`)
    }
    const place = { at: `${file}:${name.line}`, file }
    directives.push({ name: name.text, args: args.map(({ text }) => text), ...place, block })
    words = []
  }
  for (let next = tokens.next(); next.done !== true; next = tokens.next()) {
    const token = next.value
    if (token.isQuoted || !/^[;{}]$/.test(token.text)) {
      words.push(token)
    } else if (token.text === '{') {
      end(token, words.length === 0 ? undefined : parseBlock(tokens, file, token))
    } else if (token.text === ';') {
      end(token)
    } else if (opened === undefined || words.length > 0) {
      throw wrongAt(file, token.line, 'unexpected "}"')
    } else {
      return directives
    }
  }
  const open = words[0] ?? opened
  if (open !== undefined) {
    const missing = words.length > 0 ? ';' : '}'
    throw wrongAt(file, open.line, `the file ends, and what begins here has no "${missing}"`)
  }
  return directives
}

/** Throws `invalid` with the place, where nginx would not read it. `file` names it in places. */
export function parseConf(text: string, file: string): Directive[] {
  return parseBlock(tokensOf(text), file)
}
