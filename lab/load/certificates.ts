/** Changes certificates while a load runs. */
import type { Pem } from '../engines/certificates.js'
import { monotonicMs } from './ledger.js'
import type { ClientLine } from './ledger.js'
import { Churner } from './churner.js'
import type { Rig } from './rig.js'

/**
 * From the call that brings a certificate until the answer to the call that takes it away: only
 * then may it be shown.
 */
export interface ShownWindow {
  /** SHA-256; undefined: the name has none. */
  fingerprint: string | undefined
  fromMs: number
  untilMs?: number
}

/** The certificate of one name, which is renewed, removed and put again. */
export class CertificateChurner extends Churner {
  readonly #rig: Rig
  readonly #path: string
  readonly #certificates: Pem[]
  readonly #random: () => number
  readonly windows: ShownWindow[] = [{ fingerprint: undefined, fromMs: 0 }]
  changes = 0

  constructor(options: { rig: Rig; id: string; certificates: Pem[]; random: () => number }) {
    super()
    this.#rig = options.rig
    this.#path = `/v1/certificates/${options.id}`
    this.#certificates = options.certificates
    this.#random = options.random
  }

  protected override async step(): Promise<void> {
    const drawn = this.#certificates[Math.floor(this.#random() * this.#certificates.length)]
    const none = this.windows.at(-1)?.fingerprint === undefined
    await this.put(none || this.#random() < 0.7 ? drawn : undefined)
  }

  /** Undefined: takes away what there is. */
  async put(pem: Pem | undefined, more: { default?: true } = {}): Promise<void> {
    const last = this.windows.at(-1)
    const window: ShownWindow = { fingerprint: undefined, fromMs: monotonicMs() }
    const answer = await this.#rig.change(
      pem ? 'PUT' : 'DELETE',
      this.#path,
      pem && { ...pem, ...more },
    )
    if (pem) {
      window.fingerprint = answer.fingerprint
    }
    if (last) {
      last.untilMs = monotonicMs()
    }
    this.windows.push(window)
    this.changes += 1
  }
}

/**
 * Handshakes that were shown what was not to be shown then. `waysOf`: for each upstream that is
 * asked, the windows of its own name, then those that count where it has none.
 */
export function wronglyShown(
  client: ClientLine[],
  waysOf: (asked: string) => ShownWindow[][],
): ClientLine[] {
  return client.filter((line) => {
    // A handshake that failed shows nothing, and counts as lost.
    return line.shown !== '' && !mayBeShown(line, waysOf(line.asked)).includes(line.shown)
  })
}

function mayBeShown({ startMs, endMs }: ClientLine, ways: ShownWindow[][]): string[] {
  const right: string[] = []
  for (const windows of ways) {
    const open = windows.filter(({ fromMs, untilMs = Infinity }) => {
      return fromMs <= endMs && untilMs >= startMs
    })
    right.push(...open.flatMap(({ fingerprint }) => fingerprint ?? []))
    if (open.every(({ fingerprint }) => fingerprint !== undefined)) {
      break
    }
  }
  return right
}
