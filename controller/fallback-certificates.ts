/**
 * Certificates → plain nginx configuration, for TLS clients of an nginx that was started with no table. Pure. njs sets
 * `$sluice_kept_name` and reads `$sluice_kept_certificate`, '' for none (njs/certificate-main.ts).
 */
import { planCertificates } from './certificate-names.js'
import { ConfWriter, pem, plain, quoted } from './conf-writer.js'
import type { Word } from './conf-writer.js'
import type { DesiredCertificate } from './desired.js'

/** A word of nginx's has less than 4,096 bytes, which a chain with its key seldom has. */
const PIECE = 3900

function piecesOf({ record }: DesiredCertificate): string[] {
  const text = record.certificate + record.privateKey
  return Array.from({ length: Math.ceil(text.length / PIECE) }, (_, i) =>
    text.slice(i * PIECE, (i + 1) * PIECE),
  )
}

/** Kept for as long as a request lasts, a variable would have one name's for the next that is asked. */
function map(out: ConfWriter, from: string, to: string, entries: Array<[Word, Word]>): void {
  out.block('map', [plain(from), plain(to)], () => {
    out.entry(plain('volatile'))
    entries.forEach((entry) => out.entry(...entry))
  })
}

/** Those that clients may be shown; what is shown to instances serves no request without the table. */
export function renderCertificates(certificates: Iterable<DesiredCertificate>): string {
  const names = [...planCertificates(certificates)].filter(([, { record }]) => !record.client)
  const kept = [...new Set(names.map(([, certificate]) => certificate))]
  const ids = new Map(kept.map((certificate, i) => [certificate, plain(String(i))]))
  const pieces = kept.map(piecesOf)
  const most = Math.max(0, ...pieces.map((each) => each.length))
  const out = new ConfWriter()
  // As in the table; a name alone could be one of nginx's own words, such as "default".
  const idOf = names.map(([name, certificate]): [Word, Word] => {
    return [quoted(`^${name}`), ids.get(certificate) ?? quoted('')]
  })
  map(out, '$sluice_kept_name', '$sluice_kept_id', idOf)
  const parts = Array.from({ length: most }, (_, nth) => `$sluice_kept_${nth}`)
  parts.forEach((part, nth) => {
    const nthOf = pieces.flatMap((each, i): Array<[Word, Word]> => {
      const piece = each[nth]
      return piece === undefined ? [] : [[plain(String(i)), pem(piece)]]
    })
    map(out, '$sluice_kept_id', part, nthOf)
  })
  const whole = quoted(parts.join(''))
  map(out, '$sluice_kept_id', '$sluice_kept_certificate', [[plain('default'), whole]])
  return out.text()
}
