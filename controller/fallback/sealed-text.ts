/** A text with a header that tells its revision, and its checksum, so that damage is noticed. */
import { createHash } from 'node:crypto'

const FORMAT = 1
const HEADER =
  /^# Sluice, format (\d+)\. Written by the controller; changes here are lost\.\n# revision (\d+)\n# sha256 ([0-9a-f]{64})\n/

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** `body` with a header that tells revision and checksum. */
export function seal(body: string, revision: number): string {
  const first = `# Sluice, format ${FORMAT}. Written by the controller; changes here are lost.`
  return `${first}\n# revision ${revision}\n# sha256 ${sha256(body)}\n${body}`
}

/** The body of a sealed text, or undefined when it is not what was sealed, or of another format. */
export function unseal(text: string): { body: string; revision: number } | undefined {
  const match = HEADER.exec(text)
  if (match === null || Number(match[1]) !== FORMAT) {
    return undefined
  }
  const body = text.slice(match[0].length)
  return sha256(body) === match[3] ? { body, revision: Number(match[2]) } : undefined
}
