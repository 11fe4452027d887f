/** What an agent logs of its plans: what it registers and removes, and what it refuses. */
import type { InstanceRecord } from '../../contract/record/instance-record.js'
import type { Logger } from '../../runtime/logger.js'
import type { RegistrationPlan } from './plan.js'

export class PlanLog {
  readonly #log: Logger
  /** Container name → what was logged about it last. */
  #logged = new Map<string, string>()

  constructor(log: Logger) {
    this.#log = log
  }

  /** Each state of things once, however often it is planned. `before`: the entries of before. */
  write(
    plan: Pick<RegistrationPlan, 'entries' | 'reports'>,
    before: ReadonlyMap<string, string>,
  ): void {
    this.#logStates(plan.entries, before)
    const logged = new Map<string, string>()
    for (const { container, reading } of plan.reports) {
      const refused = reading.refused.map(({ reason }) => reason)
      const text = [...refused, ...reading.warnings].join('; ')
      logged.set(container.name, text)
      if (text === '' || this.#logged.get(container.name) === text) {
        continue
      }
      const fields = { container: container.name, refused, warnings: reading.warnings }
      this.#log.warn(fields, refused.length > 0 ? 'container refused' : 'labels ignored')
    }
    this.#logged = logged
  }

  #logStates(entries: ReadonlyMap<string, string>, before: ReadonlyMap<string, string>): void {
    for (const [key, value] of entries) {
      if (before.get(key) !== value && !key.startsWith('hosts/')) {
        const { state, reason, host, port } = JSON.parse(value) as Partial<InstanceRecord>
        this.#log.info({ key, state, reason, host, port }, 'registering')
      }
    }
    for (const key of before.keys()) {
      if (!entries.has(key)) {
        this.#log.info({ key }, 'removing')
      }
    }
  }
}
