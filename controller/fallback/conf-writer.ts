/** Writes nginx configuration word by word. What is not a plain word is refused here once more. */
import { SluiceError } from '../../runtime/errors.js'

/** A word as it stands in the file. */
export interface Word {
  readonly text: string
}

const PLAIN = /^[A-Za-z0-9_.:*\\/[\]=$-]+$/
const QUOTED = /^[ !#-[\]-~]*$/

function refuse(value: string): never {
  throw new SluiceError('internal', `not fit for an nginx configuration: ${JSON.stringify(value)}`)
}

/** Letters, digits and `_.:*\/[]=$-`. Throws for anything else. */
export function plain(value: string): Word {
  return PLAIN.test(value) && !value.endsWith('\\') ? { text: value } : refuse(value)
}

/** Our own text, in which regular expressions and variables stand. */
export function raw(value: string): Word {
  return { text: `"${value}"` }
}

/** Any printable ASCII but quotation marks and backslashes. Throws for anything else. */
export function quotedWord(value: string): Word {
  return QUOTED.test(value) ? { text: `"${value}"` } : refuse(value)
}

/**
 * A quotation mark or a backslash would end or change the word around it. Of the control
 * characters only these are of use.
 */
function escaped(value: string): string {
  return value.replace(/[^\P{Cc}\t\n\r]/gu, '').replace(/["\\]/g, '\\$&')
}

/** Holds a dollar sign, for which nginx has no other way to write it. */
export const DOLLAR = 'sluice_f_dollar'

/** Any text as it is, where nginx looks for variables. The file must define {@link DOLLAR}. */
export function literal(value: string): Word {
  return { text: `"${escaped(value).replaceAll('$', '${' + DOLLAR + '}')}"` }
}

/** Any text, in a geo, where nginx looks for no variables. A word has less than 4,096 bytes. */
export function verbatim(value: string): Word {
  return { text: `"${escaped(value)}"` }
}

const PEM = /^[A-Za-z0-9+/=\n -]*$/

/** PEM, or a piece of it: nginx's words may go over lines. Throws for anything else. */
export function pem(value: string): Word {
  return PEM.test(value) ? { text: `"${value}"` } : refuse('PEM that is none')
}

export class ConfWriter {
  readonly #lines: string[] = []
  #depth = 0

  /** `name word word;` */
  directive(name: string, ...words: Word[]): void {
    this.#line(`${[plain(name), ...words].map((word) => word.text).join(' ')};`)
  }

  /** `word word;` where the first is no directive's name: an entry of a map. */
  entry(...words: Word[]): void {
    this.#line(`${words.map((word) => word.text).join(' ')};`)
  }

  /** `name word { … }` */
  block(name: string, words: Word[], content: () => void): void {
    this.#line(`${[plain(name), ...words].map((word) => word.text).join(' ')} {`)
    this.#depth++
    content()
    this.#depth--
    this.#line('}')
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`
  }

  #line(text: string): void {
    this.#lines.push('    '.repeat(this.#depth) + text)
  }
}
