/** Whom a check asks, and how. */
import type { CheckPolicy } from '../../../contract/record/check-policy.js'
import type { PeerTls } from '../../../contract/record/peer-tls.js'
import type { Conclusion } from './verdict.js'

export interface CheckTarget {
  /** `<upstream>/<id>` */
  key: string
  host: string
  port: number
  policy: CheckPolicy
  /** How the upstream's instances are reached; absent: without TLS. */
  tls?: PeerTls | undefined
  /**
   * What a controller that ran before had concluded; used when the key is new, in place of
   * `policy.initial`.
   */
  before?: Conclusion
}

/** Upstreams share one object among their instances, so its text is made once. */
const texts = new WeakMap<CheckPolicy | PeerTls, string>()

function textOf(part: CheckPolicy | PeerTls | undefined): string {
  if (part === undefined) {
    return ''
  }
  const text = texts.get(part) ?? JSON.stringify(part)
  texts.set(part, text)
  return text
}

function isEqual(one: CheckPolicy | PeerTls | undefined, other: typeof one): boolean {
  return one === other || textOf(one) === textOf(other)
}

/** Whether both are asked in the same way. */
export function isSameCheck(one: CheckTarget, other: CheckTarget): boolean {
  return isEqual(one.policy, other.policy) && isEqual(one.tls, other.tls)
}
