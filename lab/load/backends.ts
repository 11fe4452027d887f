/** Backends of the load, in a process of their own. */
import { join } from 'node:path'
import { readBackendLedger } from './ledger.js'
import type { BackendLine } from './ledger.js'
import type { Pem } from '../engines/certificates.js'
import { Child } from './child.js'

export interface BackendQuestion {
  type: 'open' | 'close'
  upstream: string
  /** Unique among all backends of a run: it is what the ledgers go by. */
  instance: string
  host: string
  /** 0: any that is free. */
  port: number
  /** With it, it speaks TLS. */
  pem?: Pem | undefined
}

/** A process that holds any number of backends, each on an address of its own. */
export class Backends {
  readonly #child: Child
  readonly #ledger: string

  /** `folder` gets the ledger; `name` sets it apart from those of other processes. */
  constructor(folder: string, name: string) {
    this.#ledger = join(folder, `backend-${name}.ledger`)
    this.#child = new Child('backend-process.ts', [this.#ledger])
  }

  /** Resolves with the port once it listens. */
  async open(question: Omit<BackendQuestion, 'type'>): Promise<number> {
    return (await this.#child.ask({ ...question, type: 'open' })) as number
  }

  /** Stops listening and cuts every connection, as a process that is ended does. */
  async close(instance: string): Promise<void> {
    const question = { upstream: '', instance, host: '', port: 0 }
    await this.#child.ask({ ...question, type: 'close' } satisfies BackendQuestion)
  }

  kill(): Promise<void> {
    return this.#child.kill()
  }

  lines(): BackendLine[] {
    return readBackendLedger(this.#ledger)
  }
}
