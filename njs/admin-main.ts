/** The admin endpoint's calls, as nginx's locations name them. The protocol is contract/push.ts. */
import {
  checkActive,
  checkAnswers,
  checkClaim,
  checkDelta,
  checkRead,
  checkSweep,
} from '../contract/push.js'
import type { GatewayState } from '../contract/push.js'
import { countActive, dropDead } from './active.js'
import { accept, guarded, methodRefusal, reject, withBody } from './admin.js'
import type { Answer } from './admin.js'
import { applyClaim, applyDelta, readState } from './apply.js'
import type { Applied } from './apply.js'
import { zones } from './dict.js'
import { parseFrom, readAnswers, readEvents, sweepDead } from './events.js'
import { forget } from './load.js'
import { giveTurn, takeTurn } from './turn.js'
import { masterPid, workerPids } from './workers.js'

const COUNTED = ['noRoute', 'noPeer', 'full', 'retried', 'fallback', 'failed']

function send(r: NginxHTTPRequest, answer: Answer): void {
  r.headersOut['Content-Type'] = 'application/json'
  r.return(answer.status, answer.body + '\n')
}

function get(r: NginxHTTPRequest, call: () => Answer): void {
  send(
    r,
    guarded(() => methodRefusal(r.method, 'GET') || call()),
  )
}

function post(r: NginxHTTPRequest, call: () => Answer): void {
  send(
    r,
    guarded(() => methodRefusal(r.method, 'POST') || call()),
  )
}

function gatewayState(r: NginxHTTPRequest): GatewayState {
  const master = masterPid()
  const table = zones.sluice_table
  const isQuickJs = (njs as unknown as { engine?: string }).engine === 'QuickJS'
  const engine: GatewayState['engine'] = isQuickJs ? 'qjs' : 'njs'
  const ports = r.variables.sluice_ports
  return Object.assign(readState(table), ports === undefined ? {} : { ports: ports }, {
    pid: master,
    workers: workerPids(master),
    nginx: r.variables.nginx_version as string,
    njs: njs.version,
    engine: engine,
    freeBytes: table.freeSpace(),
  })
}

function write(r: NginxHTTPRequest, apply: () => Applied): Answer {
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
    return accept(gatewayState(r))
  }
  const state = readState(zones.sluice_table)
  return reject(applied.code, applied.message, { epoch: state.epoch, revision: state.revision })
}

function state(r: NginxHTTPRequest): void {
  get(r, () => accept(gatewayState(r)))
}

function claim(r: NginxHTTPRequest): void {
  post(r, () =>
    withBody(r.headersIn['Content-Type'], r.requestText, checkClaim, (body) =>
      write(r, () => applyClaim(zones.sluice_table, body)),
    ),
  )
}

function delta(r: NginxHTTPRequest): void {
  post(r, () =>
    withBody(r.headersIn['Content-Type'], r.requestText, checkDelta, (body) =>
      write(r, () => applyDelta(zones.sluice_table, body)),
    ),
  )
}

function read(r: NginxHTTPRequest): void {
  post(r, () =>
    withBody(r.headersIn['Content-Type'], r.requestText, checkRead, (body) => {
      const values = body.keys.map((key) => {
        const value = zones.sluice_table.get(key)
        return value === undefined ? null : value
      })
      return accept({ values: values })
    }),
  )
}

function active(r: NginxHTTPRequest): void {
  post(r, () =>
    withBody(r.headersIn['Content-Type'], r.requestText, checkActive, (body) => {
      const workers = workerPids(masterPid())
      // A worker that started after the controller had looked is not dead; and where none can be seen, none is known dead.
      if (workers.length > 0) {
        dropDead(zones.sluice_active, workers.concat(body.pids, [process.pid]))
      }
      return accept({ active: countActive(zones.sluice_active, body) })
    }),
  )
}

/** The location's `limit_conn` has judged already. */
function probe(r: NginxHTTPRequest): void {
  const isOver = r.variables.limit_conn_status === 'REJECTED_DRY_RUN'
  r.return(200, isOver ? '1' : '0')
}

function counters(r: NginxHTTPRequest): void {
  get(r, () => {
    const all: { [event: string]: number } = {}
    COUNTED.forEach((event) => {
      all[event] = zones.sluice_counter.get(event) || 0
    })
    return accept(all)
  })
}

function events(r: NginxHTTPRequest): void {
  get(r, () => {
    const from = parseFrom(r.args.from)
    return from === null
      ? reject('invalid', 'must be a number of at most 15 digits', { field: 'from' })
      : accept(readEvents(zones.sluice_counter, zones.sluice_event, from, process.ppid))
  })
}

function answers(r: NginxHTTPRequest): void {
  post(r, () =>
    withBody(r.headersIn['Content-Type'], r.requestText, checkAnswers, (body) =>
      accept(readAnswers(zones.sluice_load, body.sids)),
    ),
  )
}

function sweep(r: NginxHTTPRequest): void {
  post(r, () =>
    withBody(r.headersIn['Content-Type'], r.requestText, checkSweep, (body) => {
      const workers = workerPids(masterPid())
      // As for what the hop has in flight: where no worker can be seen, none is known dead.
      const living = workers.concat(body.pids, [process.pid])
      return accept({ swept: workers.length > 0 ? sweepDead(zones.sluice_load, living) : 0 })
    }),
  )
}

function forgetPeers(r: NginxHTTPRequest): void {
  post(r, () =>
    withBody(r.headersIn['Content-Type'], r.requestText, checkAnswers, (body) => {
      forget(zones.sluice_load, body.sids)
      return accept({ ok: true })
    }),
  )
}

function touch(r: NginxHTTPRequest): void {
  post(r, () => {
    zones.sluice_table.set('!touch', '1')
    return accept({ ok: true })
  })
}

function alive(r: NginxHTTPRequest): void {
  r.return(200, 'ok')
}

function tooLarge(r: NginxHTTPRequest): void {
  send(r, reject('too_large', 'the body is too large', {}))
}

function unknown(r: NginxHTTPRequest): void {
  send(r, reject('not_found', 'there is no such call', {}))
}

export default {
  state,
  claim,
  delta,
  read,
  active,
  probe,
  counters,
  events,
  answers,
  sweep,
  forget: forgetPeers,
  touch,
  alive,
  tooLarge,
  unknown,
}
