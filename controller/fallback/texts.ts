/** The user's texts, held in variables: a word of nginx's configuration is too short for a page. */
import { DOLLAR, literal, plain, quotedWord, verbatim } from './conf-writer.js'
import type { ConfWriter, Word } from './conf-writer.js'
import { protocolKey } from './words.js'

/** Code points of a piece: with four bytes each it still fits a word. */
const PIECE = 900

export class Texts {
  readonly #pieces: string[] = []
  readonly #known = new Map<string, Word>()
  readonly #joins: Array<{ name: string; value: string }> = []
  readonly #upgrades: string[][] = []

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

  /** Words for the protocol that a client may change to, and for the header beside it. */
  upgrade(protocols: string[]): { upgrade: Word; connection: Word } {
    const n = this.#upgrades.push(protocols) - 1
    return {
      upgrade: plain(`$sluice_f_upgrade_${n}`),
      connection: plain(`$sluice_f_connection_${n}`),
    }
  }

  /** Defines all of them, in `http{}`; `offered` is what a client would change to. */
  write(out: ConfWriter, offered: string): void {
    const define = (name: string, text: string) =>
      out.block('geo', [plain(`$${name}`)], () => out.entry(plain('default'), verbatim(text)))
    define(DOLLAR, '$')
    this.#pieces.forEach((text, i) => define(`sluice_f_text_${i}`, text))
    this.#upgrades.forEach((protocols, n) => this.#writeUpgrade(out, offered, protocols, n))
    this.#joins.forEach(({ name, value }, i) => {
      out.block('map', [plain(`$${name}`), plain(`$sluice_f_join_${i}`)], () => {
        out.entry(quotedWord(''), literal(value))
        out.entry(plain('default'), { text: `"\${${name}}, ${literal(value).text.slice(1)}` })
      })
    })
  }

  #writeUpgrade(out: ConfWriter, offered: string, protocols: string[], n: number): void {
    const [upgrade, connection] = [`$sluice_f_upgrade_${n}`, `$sluice_f_connection_${n}`]
    out.block('map', [plain(offered), plain(upgrade)], () => {
      out.entry(plain('default'), quotedWord(''))
      protocols.forEach((each) => out.entry(protocolKey(each), plain(each)))
    })
    out.block('map', [plain(upgrade), plain(connection)], () => {
      out.entry(plain('default'), plain('upgrade'))
      out.entry(quotedWord(''), quotedWord(''))
      out.entry(plain('h2c'), { text: '"upgrade, http2-settings"' })
    })
  }
}
