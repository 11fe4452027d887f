/**
 * The embedded registry's files: LevelDB in one folder. Rows go in as one synced batch, or not at
 * all.
 */
import { mkdir } from 'node:fs/promises'
import { ClassicLevel } from 'classic-level'
import type { Logger } from '../../runtime/logger.js'
import { messageOf, SluiceError, systemCode } from '../../runtime/errors.js'
import { HeadFile, readHead } from './head.js'
import { dropSnapshots, lacksItsHead, putBack, takeSnapshot } from './snapshot.js'

/** A key as it is kept. `lease` is empty for a key that stays. */
export interface Stored {
  value: string
  revision: number
  lease: string
}

export interface Content {
  revision: number
  entries: Map<string, Stored>
  /** Milliseconds to live, by lease. */
  leases: Map<string, number>
}

/** What one batch changes; undefined: the row goes. */
export interface Rows {
  revision: number
  entries: ReadonlyMap<string, Stored | undefined>
  leases: ReadonlyMap<string, number | undefined>
}

interface Meta {
  format: number
  revision: number
  /**
   * The seal of all other rows. LevelDB leaves out a damaged piece of its log silently; the seal
   * shows it.
   */
  seal: number
}

type Batch = Array<{ type: 'put'; key: string; value: string } | { type: 'del'; key: string }>

const FORMAT = 1
const META = 'meta'
const ENTRY = 'key:'
const LEASE = 'lease:'

function printStored({ value, revision, lease }: Stored): string {
  return `${revision} ${lease} ${value}`
}

function parseStored(row: string): Stored {
  const first = row.indexOf(' ')
  const second = row.indexOf(' ', first + 1)
  const revision = Number(row.slice(0, first))
  if (first < 1 || second < 0 || !Number.isSafeInteger(revision)) {
    throw new Error('a row cannot be read')
  }
  return { revision, lease: row.slice(first + 1, second), value: row.slice(second + 1) }
}

/**
 * FNV-1a of a row. The seal is the exclusive or of all rows' hashes, so a change costs only its own
 * rows.
 */
function rowSeal(key: string, row: string): number {
  let hash = 0x811c9dc5
  for (const text of [key, '\n', row]) {
    for (let i = 0; i < text.length; i++) {
      hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
    }
  }
  return hash
}

export class EmbeddedStore {
  readonly folder: string
  readonly #db: ClassicLevel
  readonly #rows = new Map<string, number>()
  #seal = 0
  #head: HeadFile | undefined

  private constructor(folder: string) {
    this.folder = folder
    this.#db = new ClassicLevel(folder)
  }

  /**
   * Opens the store in `folder`, made if absent, and reads all of it. Rejects with `conflict` when
   * a process has it open, and with `internal` when it is damaged: it is then left exactly as it
   * was found.
   */
  static async open(
    folder: string,
    log: Logger,
  ): Promise<{ store: EmbeddedStore; content: Content }> {
    const snapshot = await prepare(folder, log)
    // Not before: it begins to open, and so to repair, by itself.
    const store = new EmbeddedStore(folder)
    try {
      await store.#db.open()
    } catch (error) {
      throw await store.#openError(error, snapshot)
    }
    try {
      const content = await store.#read()
      store.#head = HeadFile.open(folder, log)
      await dropSnapshots(folder)
      return { store, content }
    } catch (error) {
      await store.close()
      throw await store.#damaged(error, snapshot)
    }
  }

  /** Durable once it resolves. When it rejects, only a fresh `open` shows what was written. */
  async write(rows: Rows): Promise<void> {
    const batch: Batch = []
    const seals = new Map<string, number>()
    let seal = this.#seal
    const add = (key: string, row: string | undefined) => {
      const was = seals.get(key) ?? this.#rows.get(key) ?? 0
      const is = row === undefined ? 0 : rowSeal(key, row)
      seals.set(key, is)
      seal ^= was ^ is
      batch.push(row === undefined ? { type: 'del', key } : { type: 'put', key, value: row })
    }
    for (const [key, stored] of rows.entries) {
      add(ENTRY + key, stored && printStored(stored))
    }
    for (const [id, ttlMs] of rows.leases) {
      add(LEASE + id, ttlMs?.toString())
    }
    const meta: Meta = { format: FORMAT, revision: rows.revision, seal }
    batch.push({ type: 'put', key: META, value: JSON.stringify(meta) })
    await this.#db.batch(batch, { sync: true })
    this.#head?.write(rows.revision)
    this.#seal = seal
    for (const [key, is] of seals) {
      this.#remember(key, is)
    }
  }

  async close(): Promise<void> {
    this.#head?.close()
    await this.#db.close()
  }

  #remember(key: string, seal: number): void {
    if (seal === 0) {
      this.#rows.delete(key)
    } else {
      this.#rows.set(key, seal)
    }
  }

  async #read(): Promise<Content> {
    const content: Content = { revision: 0, entries: new Map(), leases: new Map() }
    let meta: Meta | undefined
    for await (const [key, row] of this.#db.iterator()) {
      if (key === META) {
        meta = JSON.parse(row) as Meta
        continue
      }
      const seal = rowSeal(key, row)
      this.#seal ^= seal
      this.#remember(key, seal)
      if (key.startsWith(LEASE)) {
        content.leases.set(key.slice(LEASE.length), Number(row))
      } else {
        content.entries.set(key.slice(ENTRY.length), parseStored(row))
      }
    }
    if (meta === undefined && this.#rows.size === 0) {
      if ((await readHead(this.folder)) === 0) {
        return content
      }
      throw new Error('everything is missing')
    }
    if (meta?.format !== FORMAT) {
      throw new Error(`its format is ${meta?.format ?? 'unknown'}`)
    }
    if (meta.seal !== this.#seal) {
      throw new Error('rows are missing or altered')
    }
    if (meta.revision < (await readHead(this.folder))) {
      throw new Error('the last changes are missing')
    }
    content.revision = meta.revision
    return content
  }

  async #openError(error: unknown, snapshot: string | undefined): Promise<SluiceError> {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
    if (systemCode(cause) === 'LEVEL_LOCKED') {
      await dropSnapshots(this.folder, snapshot)
      const message = `the registry in ${this.folder} is in use by another Sluice process; stop that one, or use another home`
      return new SluiceError('conflict', message, { cause })
    }
    return this.#damaged(cause, snapshot)
  }

  async #damaged(cause: unknown, snapshot: string | undefined): Promise<SluiceError> {
    if (snapshot !== undefined) {
      await putBack(this.folder, snapshot)
    }
    if (/No space left|Disk quota/i.test(messageOf(cause))) {
      const message = `the registry in ${this.folder} cannot be opened: the disk is full (${messageOf(cause)}). Make room; nothing of it is lost`
      return new SluiceError('internal', message, { cause })
    }
    const message =
      `the registry in ${this.folder} cannot be read (${messageOf(cause)}). It was left as it is. ` +
      'Put a backup in its place, or move the folder away to begin with an empty registry'
    return new SluiceError('internal', message, { cause })
  }
}

/**
 * Makes the folder, and takes a snapshot of it. Without one (no room, say) the store opens just as
 * well.
 */
async function prepare(folder: string, log: Logger): Promise<string | undefined> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const message = `the registry's folder ${folder} cannot be made: ${messageOf(cause)}`
    throw new SluiceError('internal', message, { cause })
  }
  if (await lacksItsHead(folder)) {
    const message = `the registry in ${folder} is damaged: its file CURRENT is missing. It was left as it is. Put a backup in its place, or move the folder away to begin with an empty registry`
    throw new SluiceError('internal', message)
  }
  try {
    return await takeSnapshot(folder)
  } catch (error) {
    log.debug({ folder, error: messageOf(error) }, 'registry opens without a snapshot')
    return undefined
  }
}
