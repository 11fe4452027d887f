/** Names of headers that a client or an instance could forge. */

/** Headers of answers by which an instance could steer nginx. */
export const ACCEL_HEADERS = [
  'X-Accel-Redirect',
  'X-Accel-Expires',
  'X-Accel-Limit-Rate',
  'X-Accel-Buffering',
  'X-Accel-Charset',
]

/**
 * Spellings of headers that are one variable of nginx's, and one to many applications: with
 * `underscores_in_headers on` a client could send them beside ours.
 */
export function otherSpellings(name: string): string[] {
  const words = name.split('-')
  const all = words
    .slice(1)
    .reduce(
      (spelled, word) =>
        spelled.reduce(
          (more: string[], one) => more.concat([one + '-' + word, one + '_' + word]),
          [],
        ),
      [words[0] as string],
    )
  return all.filter((one) => one !== name)
}
