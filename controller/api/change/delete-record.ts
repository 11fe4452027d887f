/** Deletes what is a record of its own, and part of nothing. */
import { SluiceError } from '../../../runtime/errors.js'
import { refuseBody } from './bodies.js'
import type { Outcome } from './change-call.js'
import type { Draft } from './draft.js'
import { keysOf, printTarget } from './targets.js'
import type { CallTarget } from './targets.js'

export async function deleteRecord(
  draft: Draft,
  target: CallTarget & { kind: 'route' | 'certificate' },
  body: unknown,
): Promise<Outcome> {
  refuseBody(body)
  for (const key of keysOf(target)) {
    if ((await draft.read(key)) === undefined) {
      throw new SluiceError('not_found', `there is no ${printTarget(target)}`)
    }
    await draft.delete(key)
  }
  return { created: false, shown: {} }
}
