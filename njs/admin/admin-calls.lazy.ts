/** The admin endpoint's calls but `/delta` and `/probe`. */
import {
  parseActive,
  parseAnswers,
  parseClaim,
  parseRead,
  parseSweep,
} from '../../contract/push-guard.js'
import { COUNTED_EVENTS, OWNER_KEY, TOUCH_KEY } from '../../contract/push.js'
import type { GatewayState } from '../../contract/push.js'
import type { TableState } from '../../contract/table/table.js'
import { countActive, dropDead } from '../memory/active-counts.js'
import { answerOk, guarded, methodRefusal, post, reject, respond } from './answer.js'
import type { AdminAnswer } from './answer.js'
import { withBody } from './body.js'
import { write } from './locked-write.js'
import { applyClaim, readState } from './apply.js'
import { zones } from '../memory/dict.js'
import { parseFrom, readEvents } from '../memory/events.js'
import { forget, readAnswerCounts, sweepDead } from '../memory/load.js'
import { nginxMasterPid, workerPids } from './workers.js'

function get(r: NginxHTTPRequest, call: () => AdminAnswer): void {
  respond(
    r,
    guarded(() => methodRefusal(r.method, 'GET') || call()),
  )
}

function gatewayState(r: NginxHTTPRequest, state: TableState): GatewayState {
  const master = nginxMasterPid()
  const isQuickJs = (njs as unknown as { engine?: string }).engine === 'QuickJS'
  const engine: GatewayState['engine'] = isQuickJs ? 'qjs' : 'njs'
  const ports = r.variables.sluice_ports
  const isPassing = r.variables.sluice_passthrough === '1'
  const tuned = r.variables.sluice_tuned_ports
  const seats = Number(r.variables.sluice_seats || 0)
  const open = { ports: ports, passthrough: isPassing, tuned: tuned, seats: seats }
  return Object.assign(state, ports === undefined ? {} : open, {
    named: r.variables.sluice_named === '1',
    pid: master,
    workers: workerPids(master),
    nginx: r.variables.nginx_version as string,
    njs: njs.version,
    engine: engine,
    freeBytes: zones.sluice_table.freeSpace(),
  })
}

function state(r: NginxHTTPRequest): void {
  get(r, () => answerOk(gatewayState(r, readState(zones.sluice_table))))
}

function claim(r: NginxHTTPRequest): void {
  post(r, () =>
    withBody(r.headersIn['Content-Type'], r.requestText, parseClaim, (body) =>
      write(
        () => applyClaim(zones.sluice_table, body),
        (left) => gatewayState(r, left),
      ),
    ),
  )
}

function read(r: NginxHTTPRequest): void {
  post(r, () =>
    withBody(r.headersIn['Content-Type'], r.requestText, parseRead, (body) => {
      const values = body.keys.map((key) => {
        const value = zones.sluice_table.get(key)
        return value === undefined ? null : value
      })
      return answerOk({ values: values })
    }),
  )
}

function active(r: NginxHTTPRequest): void {
  post(r, () =>
    withBody(r.headersIn['Content-Type'], r.requestText, parseActive, (body) => {
      const workers = workerPids(nginxMasterPid())
      // A worker that started after the controller had looked is not dead; and where none can be
      // seen, none is known dead.
      if (workers.length > 0) {
        dropDead(zones.sluice_active, workers.concat(body.pids, [process.pid]))
      }
      return answerOk({ active: countActive(zones.sluice_active, body) })
    }),
  )
}

function counters(r: NginxHTTPRequest): void {
  get(r, () => {
    const all: { [event: string]: number } = {}
    COUNTED_EVENTS.forEach((event) => {
      all[event] = zones.sluice_counter.get(event) || 0
    })
    return answerOk(all)
  })
}

/** Names the parent alone, for `nginxMasterPid` would read /proc ten times a second. */
function events(r: NginxHTTPRequest): void {
  get(r, () => {
    const from = parseFrom(r.args.from)
    return from === null
      ? reject('invalid', 'must be a number of at most 15 digits', { field: 'from' })
      : answerOk(readEvents(zones.sluice_counter, zones.sluice_event, from, process.ppid))
  })
}

function answers(r: NginxHTTPRequest): void {
  post(r, () =>
    withBody(r.headersIn['Content-Type'], r.requestText, parseAnswers, (body) =>
      answerOk(readAnswerCounts(zones.sluice_load, body.sids)),
    ),
  )
}

function sweep(r: NginxHTTPRequest): void {
  post(r, () =>
    withBody(r.headersIn['Content-Type'], r.requestText, parseSweep, (body) => {
      const workers = workerPids(nginxMasterPid())
      // As for what the hop has in flight: where no worker can be seen, none is known dead.
      const living = workers.concat(body.pids, [process.pid])
      return answerOk({ swept: workers.length > 0 ? sweepDead(zones.sluice_load, living) : 0 })
    }),
  )
}

function forgetPeers(r: NginxHTTPRequest): void {
  post(r, () =>
    withBody(r.headersIn['Content-Type'], r.requestText, parseAnswers, (body) => {
      forget(zones.sluice_load, body.sids)
      return answerOk({ ok: true })
    }),
  )
}

function touch(r: NginxHTTPRequest): void {
  post(r, () => {
    zones.sluice_table.set(TOUCH_KEY, '1')
    const epoch = r.args.epoch
    if (typeof epoch === 'string' && /^\d{1,15}$/.test(epoch)) {
      zones.sluice_table.set(OWNER_KEY, epoch + ' ' + Date.now())
    }
    return answerOk({ ok: true })
  })
}

function alive(r: NginxHTTPRequest): void {
  r.return(200, 'ok')
}

function tooLarge(r: NginxHTTPRequest): void {
  respond(r, reject('too_large', 'the body is too large', {}))
}

function unknown(r: NginxHTTPRequest): void {
  respond(r, reject('not_found', 'there is no such call', {}))
}

const CALLS: { [path: string]: (r: NginxHTTPRequest) => void } = {
  '/state': state,
  '/claim': claim,
  '/read': read,
  '/active': active,
  '/counters': counters,
  '/events': events,
  '/answers': answers,
  '/sweep': sweep,
  '/forget': forgetPeers,
  '/touch': touch,
  '/alive': alive,
}

function call(r: NginxHTTPRequest): void {
  const known = CALLS[r.uri]
  if (known === undefined) {
    unknown(r)
  } else {
    known(r)
  }
}

export interface AdminCalls {
  call(r: NginxHTTPRequest): void
  tooLarge(r: NginxHTTPRequest): void
}

export function adminCalls(): AdminCalls {
  return { call: call, tooLarge: tooLarge }
}
