/** What etcd raises an alarm about: while there is one, it answers reads and refuses writes. */
import type { Etcd3 } from 'etcd3'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'

const TEXTS: Record<string, string> = {
  NOSPACE: 'its database is as large as its quota allows (NOSPACE), so it refuses writes',
  CORRUPT: 'its members differ in what they hold (CORRUPT)',
}

export class EtcdAlarms {
  readonly #log: Logger
  #problem: string | undefined

  constructor(log: Logger) {
    this.#log = log
  }

  /** Why writes are refused, for people; undefined when no alarm is known. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** Asks etcd. Never rejects: a user who may not ask learns of it when a write is refused. */
  async look(client: Etcd3, endpoint: string): Promise<void> {
    try {
      const { alarms } = await client.maintenance.alarm({ action: 'Get' })
      const names = alarms.map(({ alarm }) => String(alarm).toUpperCase())
      this.#note(names.map((name) => TEXTS[name] ?? name)[0], endpoint)
    } catch (error) {
      this.#log.debug({ endpoint, error: messageOf(error) }, 'the alarms of etcd could not be read')
    }
  }

  #note(text: string | undefined, endpoint: string): void {
    const problem = text === undefined ? undefined : `etcd at ${endpoint}: ${text}`
    if (problem !== undefined && this.#problem === undefined) {
      this.#log.error({ endpoint, problem }, 'etcd raised an alarm')
    } else if (problem === undefined && this.#problem !== undefined) {
      this.#log.info({ endpoint }, 'etcd raises no alarm any more')
    }
    this.#problem = problem
  }
}
