/** Active checks of instances. */
import type { Checked } from './records.js'

export interface CheckPolicy {
  type: 'http' | 'tcp' | 'grpc'
}

export function checkCheckPolicy(value: unknown): Checked<CheckPolicy> {
  return { ok: false, field: '', message: 'is not there yet: ' + typeof value }
}
