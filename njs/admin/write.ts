/** How the admin endpoint's calls answer, and how those that write do it: one at a time. */
import { accept, guarded, methodRefusal, reject } from './answers.js'
import type { Answer } from './answers.js'
import { readState } from './apply.js'
import type { Applied } from './apply.js'
import type { TableState } from '../../contract/table/table.js'
import { zones } from '../memory/dict.js'
import { giveTurn, takeTurn } from '../memory/write-lock.js'

export function send(r: NginxHTTPRequest, answer: Answer): void {
  r.headersOut['Content-Type'] = 'application/json'
  r.return(answer.status, answer.body + '\n')
}

export function post(r: NginxHTTPRequest, call: () => Answer): void {
  send(
    r,
    guarded(() => methodRefusal(r.method, 'POST') || call()),
  )
}

/** `told` makes the answer of the state after it. */
export function write(apply: () => Applied, told: (state: TableState) => object): Answer {
  if (!takeTurn(zones.sluice_counter, Date.now())) {
    return reject('conflict', 'another write is under way', {})
  }
  let applied: Applied
  try {
    applied = apply()
  } finally {
    giveTurn(zones.sluice_counter)
  }
  if (applied.ok) {
    return accept(told(applied.state))
  }
  const state = readState(zones.sluice_table)
  return reject(applied.code, applied.message, { epoch: state.epoch, revision: state.revision })
}
