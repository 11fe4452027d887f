/** The user's texts, held in variables: a word of nginx's configuration is too short for a page. */
import { DOLLAR, literal, plain, quotedWord, verbatim } from './conf-writer.js'
import type { ConfWriter, Word } from './conf-writer.js'

/** Code points of a piece: with four bytes each it still fits a word. */
const PIECE = 900

export class Texts {
  readonly #pieces: string[] = []
  readonly #known = new Map<string, Word>()
  readonly #joins: Array<{ name: string; value: string }> = []

  /** A word that nginx reads as `text`. */
  page(text: string): Word {
    const known = this.#known.get(text)
    if (known !== undefined) {
      return known
    }
    const points = [...text]
    const names: string[] = []
    for (let at = 0; at < points.length; at += PIECE) {
      names.push(`\${sluice_f_text_${this.#pieces.length}}`)
      this.#pieces.push(points.slice(at, at + PIECE).join(''))
    }
    const word = { text: `"${names.join('')}"` }
    this.#known.set(text, word)
    return word
  }

  /** A word for what the client sent as the header `name`, and behind it `value`. */
  joined(name: string, value: string): Word {
    this.#joins.push({ name: `http_${name.toLowerCase().replaceAll('-', '_')}`, value })
    return plain(`$sluice_f_join_${this.#joins.length - 1}`)
  }

  /** Defines all of them, in `http{}`. */
  write(out: ConfWriter): void {
    const define = (name: string, text: string) =>
      out.block('geo', [plain(`$${name}`)], () => out.entry(plain('default'), verbatim(text)))
    define(DOLLAR, '$')
    this.#pieces.forEach((text, i) => define(`sluice_f_text_${i}`, text))
    this.#joins.forEach(({ name, value }, i) => {
      out.block('map', [plain(`$${name}`), plain(`$sluice_f_join_${i}`)], () => {
        out.entry(quotedWord(''), literal(value))
        out.entry(plain('default'), { text: `"\${${name}}, ${literal(value).text.slice(1)}` })
      })
    })
  }
}
