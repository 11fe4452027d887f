/** A write of the admin endpoint: one at a time, under a lock, and its answer. */
import { answerOk, reject } from './answer.js'
import type { AdminAnswer } from './answer.js'
import { readState } from './apply.js'
import type { Applied } from './apply.js'
import type { TableState } from '../../contract/table/table.js'
import { zones } from '../memory/dict.js'
import { unlockWrites, lockWrites } from '../memory/write-lock.js'

/** `report` makes the answer of the state after it. */
export function write(apply: () => Applied, report: (state: TableState) => object): AdminAnswer {
  if (!lockWrites(zones.sluice_counter, Date.now())) {
    return reject('conflict', 'another write is under way', {})
  }
  let applied: Applied
  try {
    applied = apply()
  } finally {
    unlockWrites(zones.sluice_counter)
  }
  if (applied.ok) {
    return answerOk(report(applied.state))
  }
  const state = readState(zones.sluice_table)
  return reject(applied.code, applied.message, { epoch: state.epoch, revision: state.revision })
}
