/**
 * Follows a folder of certificates by polling: looks at all of it, and reads what changed. The
 * kernel is not asked to watch it, because that call can block the whole process where the folder
 * is on a file server that does not answer. A look blocks only itself.
 */
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import { Loop } from '../../runtime/loop.js'
import { pause } from '../../runtime/retry.js'
import { findPairs, readPair, signatureOf } from './files.js'
import type { FilePair } from './files.js'
import type { Desired, DesiredCertificate } from '../state/desired.js'

export interface FolderOptions {
  path: string
  log: Logger
  /** From one look to the next. */
  pollMs: number
  /**
   * Its certificates changed, or it was read whole for the first time. Ids of those that changed,
   * and of those that went.
   */
  onChange(set: string[], removed: string[]): void
}

interface Known {
  /** Of the files as they were read; '' when they were refused. */
  signature: string
  /** The last good one. */
  certificate: DesiredCertificate | undefined
}

type Certificates = Desired['certificates']

const NONE: Certificates = new Map()

/** Neither a route's nor another certificate's: those have no slash. */
function idOf({ name }: FilePair): string {
  return `folder/${name}`
}

export class CertificateFolder {
  readonly #options: FolderOptions
  readonly #loop: Loop
  readonly #known = new Map<string, Known>()
  /** What was said already, so that a look every few seconds does not say it again. */
  readonly #said = new Map<string, string>()
  #certificates: Certificates = NONE
  #joined: { from?: Desired; to?: Desired } = {}
  #isWhole = false

  constructor(options: FolderOptions) {
    const { path, pollMs } = options
    this.#options = options
    this.#loop = new Loop({
      round: async ({ signal }) => {
        await this.#look(await findPairs(path))
        await pause(pollMs, signal)
      },
      onError: (error) => this.#refuse(path, `cannot be read: ${messageOf(error)}`),
      retry: { firstMs: pollMs, mostMs: pollMs },
    })
  }

  /** True once all of it was read and nothing was refused, and ever after. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  /** How many of its files, or the folder itself, are refused now. */
  get refused(): number {
    return this.#said.size
  }

  /**
   * `said` with the certificates of the folder. The same object until one of the two is another.
   */
  join(said: Desired): Desired {
    const { from, to } = this.#joined
    if (from === said && to !== undefined) {
      return to
    }
    const isSame = from?.certificates === said.certificates
    const certificates = isSame ? to?.certificates : undefined
    const joined = {
      ...said,
      certificates: certificates ?? new Map([...said.certificates, ...this.#certificates]),
    }
    this.#joined = { from: said, to: joined }
    return joined
  }

  start(): void {
    this.#loop.start()
  }

  /** A look that hangs is left to itself. */
  close(): void {
    void this.#loop.close()
  }

  async #look(pairs: FilePair[]): Promise<void> {
    let isClean = true
    for (const pair of pairs) {
      isClean = (await this.#read(pair)) && isClean
    }
    if (this.#loop.isClosed) {
      return
    }
    const isFirst = isClean && !this.#isWhole
    this.#isWhole ||= isClean
    this.#drop(new Set(pairs.map(idOf)))
    this.#notify(isFirst)
  }

  /** Whether the pair is as it should be. */
  async #read(pair: FilePair): Promise<boolean> {
    const id = idOf(pair)
    const known = this.#known.get(id)
    try {
      const signature = await signatureOf(pair)
      if (signature === known?.signature) {
        return true
      }
      const checked = await readPair(pair)
      if (checked.ok) {
        const certificate = { ...checked.value, id, revision: 0 }
        this.#known.set(id, { signature, certificate })
        this.#accept(id)
        return true
      }
      this.#refuse(id, `${checked.field} ${checked.message}`.trim())
    } catch (error) {
      this.#refuse(id, messageOf(error))
    }
    this.#known.set(id, { signature: '', certificate: known?.certificate })
    return false
  }

  /**
   * Forgets what is there no more. A folder in which nothing is left is rather one that was not
   * mounted.
   */
  #drop(present: ReadonlySet<string>): void {
    const { path } = this.#options
    if (present.size === 0 && this.#certificates.size > 0) {
      this.#refuse(path, 'is empty; what was in it serves on')
      return
    }
    this.#accept(path)
    for (const id of this.#known.keys()) {
      if (!present.has(id)) {
        this.#known.delete(id)
        this.#said.delete(id)
      }
    }
  }

  #notify(isFirst: boolean): void {
    const before = this.#certificates
    const after = new Map<string, DesiredCertificate>()
    this.#known.forEach(({ certificate }, id) => certificate && after.set(id, certificate))
    const set = [...after.keys()].filter((id) => before.get(id) !== after.get(id))
    const removed = [...before.keys()].filter((id) => !after.has(id))
    if (set.length + removed.length > 0) {
      this.#certificates = after
      this.#joined = {}
      this.#options.log.info({ set, removed }, 'certificates of the folder')
    }
    if (isFirst || set.length + removed.length > 0) {
      this.#options.onChange(set, removed)
    }
  }

  #refuse(what: string, why: string): void {
    if (this.#said.get(what) !== why) {
      this.#said.set(what, why)
      this.#options.log.error(
        { what, why },
        'a certificate of the folder is not used; if there was a good one before, that still serves',
      )
    }
  }

  #accept(what: string): void {
    this.#said.delete(what)
  }
}
