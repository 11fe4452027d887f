/**
 * Certificates → plain nginx configuration, for TLS clients of an nginx that has no table. Pure.
 * `$sluice_kept_certificate` is what the client's name is shown, chain and key in one PEM; '' for
 * nothing.
 */
import { DEFAULT_NAME, planCertificates } from '../table/certificate-plan.js'
import { ConfWriter, pem, plain, quotedWord } from './conf-writer.js'
import type { Word } from './conf-writer.js'
import type { DesiredCertificate } from '../state/desired.js'
import { tlsNameKey } from './words.js'

/** A word of nginx's has less than 4,096 bytes, which a chain with its key seldom has. */
const PIECE = 3900

function piecesOf({ record }: DesiredCertificate): string[] {
  const text = record.certificate + record.privateKey
  return Array.from({ length: Math.ceil(text.length / PIECE) }, (_, i) =>
    text.slice(i * PIECE, (i + 1) * PIECE),
  )
}

function map(out: ConfWriter, from: string, to: string, entries: Array<[Word, Word]>): void {
  out.block('map', [plain(from), plain(to)], () => entries.forEach((entry) => out.entry(...entry)))
}

/** Those that clients may be shown; '' when there are none. */
export function renderCertificates(certificates: Iterable<DesiredCertificate>): string {
  const names = [...planCertificates(certificates)].filter(([, { record }]) => !record.client)
  const kept = [...new Set(names.map(([, certificate]) => certificate))]
  if (kept.length === 0) {
    return ''
  }
  const ids = new Map(kept.map((certificate, i) => [certificate, plain(String(i))]))
  const out = new ConfWriter()
  const idOf = names.map(([name, certificate]): [Word, Word] => {
    const key = name === DEFAULT_NAME ? plain('default') : tlsNameKey(name)
    return [key, ids.get(certificate) ?? quotedWord('')]
  })
  map(out, '$ssl_server_name', '$sluice_kept_id', idOf)
  joined(out, kept.map(piecesOf))
  return out.text()
}

/** A map for the first piece of each, one for the second, and so on; and what they come to. */
function joined(out: ConfWriter, pieces: string[][]): void {
  const most = Math.max(...pieces.map((each) => each.length))
  const parts = Array.from({ length: most }, (_, nth) => `$sluice_kept_${nth}`)
  parts.forEach((part, nth) => {
    const nthOf = pieces.flatMap((each, i): Array<[Word, Word]> => {
      const piece = each[nth]
      return piece === undefined ? [] : [[plain(String(i)), pem(piece)]]
    })
    map(out, '$sluice_kept_id', part, nthOf)
  })
  const whole = quotedWord(parts.join(''))
  map(out, '$sluice_kept_id', '$sluice_kept_certificate', [[plain('default'), whole]])
}
