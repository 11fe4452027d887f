/**
 * The border: what of a registry value becomes a record. A value that is refused never replaces one
 * that was good.
 */
import type { AddressPolicy } from '../../contract/guard/address.js'
import type { RecordKey } from '../../contract/keys.js'
import { checkInstance, checkOverride, checkUpstream } from '../../contract/record/records.js'
import { checkCertificate } from '../../contract/record/certificate.js'
import { checkRoute } from '../../contract/record/route.js'
import type {
  InstanceRecord,
  OverrideRecord,
  UpstreamRecord,
} from '../../contract/record/records.js'
import type { RouteRecord } from '../../contract/record/route.js'
import { checkStreamRoute, isStreamRoute } from '../../contract/record/stream-route.js'
import type { StreamRouteRecord } from '../../contract/record/stream-route.js'
import type { Checked } from '../../contract/guard/checked.js'
import type { Logger } from '../../runtime/logger.js'
import { readCertificate } from './certificate.js'
import type { Certificate } from './certificate.js'
import type { RefusedView } from '../views.js'

export interface AdmitOptions {
  policy: AddressPolicy
  /** Whether Sluice itself listens there: a request would go round. */
  isOwn(host: string, port: number): boolean
  log: Logger
  /** `rule` is the field that was wrong, or `json`, `key`: few, so that it may label a metric. */
  onRejected(rule: string): void
}

export type Admitted =
  | { kind: 'upstreams'; upstream: string; record: UpstreamRecord }
  | { kind: 'instances'; upstream: string; id: string; record: InstanceRecord }
  | { kind: 'overrides'; upstream: string; id: string; record: OverrideRecord }
  | { kind: 'routes'; id: string; record: RouteRecord }
  | { kind: 'routes'; id: string; streamRecord: StreamRouteRecord }
  | { kind: 'certificates'; id: string; record: Certificate }

export type AdmittedKey = Exclude<RecordKey, { kind: 'hosts' } | { kind: 'gateways' }>

type Verdict = { ok: true; value: Admitted } | { ok: false; field: string; message: string }

function verdict<T>(checked: Checked<T>, admit: (record: T) => Admitted): Verdict {
  return checked.ok ? { ok: true, value: admit(checked.value) } : checked
}

export class Border {
  readonly #options: AdmitOptions
  /** What was logged about a key already, so that a listing every minute does not log it again. */
  readonly #refused = new Map<string, RefusedView>()

  constructor(options: AdmitOptions) {
    this.#options = options
  }

  /** The record, or undefined when it was refused (and that was said, once, and counted). */
  admit(key: string, parsed: AdmittedKey, text: string): Admitted | undefined {
    let found: Verdict
    try {
      found = this.#check(parsed, JSON.parse(text))
    } catch {
      found = { ok: false, field: 'json', message: 'must be JSON' }
    }
    if (found.ok) {
      this.forget(key)
      return found.value
    }
    this.refuse(key, found.field, found.message)
    return undefined
  }

  refuse(key: string, field: string, message: string): void {
    const what = `${field} ${message}`
    if (this.#refused.get(key)?.message !== what) {
      const sinceAtMs = this.#refused.get(key)?.sinceAtMs ?? Date.now()
      this.#refused.set(key, { key, message: what, sinceAtMs })
      this.#options.log.warn({ key, field, why: message }, 'registry value refused')
      this.#options.onRejected(/^[a-z]+/i.exec(field)?.[0] ?? 'shape')
    }
  }

  /** What stands in the registry and was refused. */
  refused(): RefusedView[] {
    return [...this.#refused.values()]
  }

  forget(key: string): void {
    this.#refused.delete(key)
  }

  #check(key: AdmittedKey, value: unknown): Verdict {
    switch (key.kind) {
      case 'upstreams':
        return verdict(checkUpstream(value), (record) => ({ ...key, record }))
      case 'overrides':
        return verdict(checkOverride(value), (record) => ({ ...key, record }))
      case 'routes':
        return isStreamRoute(value)
          ? verdict(checkStreamRoute(value), (streamRecord) => ({ ...key, streamRecord }))
          : verdict(checkRoute(value), (record) => ({ ...key, record }))
      case 'certificates': {
        const shape = checkCertificate(value)
        const checked = shape.ok ? readCertificate(shape.value) : shape
        return verdict(checked, (record) => ({ ...key, record }))
      }
      case 'instances': {
        const checked = checkInstance(value, this.#options.policy)
        return checked.ok && this.#options.isOwn(checked.value.host, checked.value.port)
          ? { ok: false, field: 'address', message: 'is one that Sluice itself listens on' }
          : verdict(checked, (record) => ({ ...key, record }))
      }
    }
  }
}
