/**
 * Connections: to which peer one goes. nginx tries no second peer where proxy_pass has a variable, so one that would not take the
 * connection is found out before, by a connection that is closed again; where there is no second peer, that is spared.
 */
import { STATE_KEY, parseState } from '../contract/table.js'
import { MAX_TRIES, SHARES } from '../contract/zones.js'
import { activeKey, enter, leave } from './active.js'
import { nameIn } from './client-hello.js'
import { choose, drawWish, isAnotherUp, whoIs } from './choice.js'
import type { Choice, Draw, Ground } from './choice.js'
import { count, countFailure } from './count.js'
import { zones } from './dict.js'
import { appendEvent } from './events.js'
import { hold } from './hold.js'
import type { Asked } from './lookup.js'
import { findPassed } from './passed.js'
import { rulesOf } from './peers.js'
import { drawOf } from './plan.js'
import { counts } from './policy/balance.js'
import { take } from './take.js'

const counter = zones.sluice_counter

function groundOf(s: NginxStreamRequest): Ground {
  const asked = { uri: '/', variables: s.variables } as unknown as Asked
  return { table: zones.sluice_table, load: zones.sluice_load, asked: asked, nowMs: Date.now() }
}

/** False when another worker took the peer's last place meanwhile. */
function claim(choice: Choice): boolean {
  const ruled = choice.ruled
  return (
    ruled === undefined ||
    !counts(ruled.rules) ||
    take(zones.sluice_load, ruled.rules, choice.upstream, ruled.entry, process.pid)
  )
}

/** Counts the connection for drains, for as long as it lasts. */
function follow(s: NginxStreamRequest, sid: string): void {
  const key = activeKey(sid, process.pid)
  try {
    enter(zones.sluice_active, key)
  } catch (error) {
    countFailure(counter, 'counting a connection', error, s)
    return
  }
  hold(() => leave(zones.sluice_active, key))
}

function tellFailed(s: NginxStreamRequest, sid: string): void {
  try {
    appendEvent(zones.sluice_event, counter, 'f' + sid)
  } catch (error) {
    countFailure(counter, 'telling of a try', error, s)
  }
}

/** Whether the peer takes connections. The hop asks, because in njs before 1.0 a fetch never ends that gets no answer. */
async function takes(s: NginxStreamRequest, address: string): Promise<boolean> {
  try {
    const url = 'http://unix:' + (s.variables.sluice_probe_socket as string) + ':/' + address
    const reply = await ngx.fetch(url, { headers: { Host: 'sluice' } })
    return reply.status === 200
  } catch (error) {
    s.warn('sluice: asking ' + address + ' failed: ' + String(error))
    return false
  }
}

function mostTries(upstream: string): number {
  const rules = rulesOf(zones.sluice_table, upstream)
  return rules === null ? MAX_TRIES : Math.min(MAX_TRIES, rules.tries)
}

function isWorthAsking(
  s: NginxStreamRequest,
  draw: Draw,
  choice: Choice,
  tried: string,
  nth: number,
): boolean {
  return (
    s.variables.protocol === 'TCP' &&
    nth + 1 < mostTries(choice.upstream) &&
    isAnotherUp(zones.sluice_table, draw, tried + ' ' + choice.peer.sid)
  )
}

/** While it was asked, it may have been drained or removed. */
function isStillUp(draw: Draw, choice: Choice): boolean {
  const now = whoIs(zones.sluice_table, draw.unit, choice.peer.sid)
  return now !== null && (now.peer.up || !choice.peer.up)
}

/** Whether the connection is to go there: then one of the peer's places is taken. */
async function isTaken(
  s: NginxStreamRequest,
  draw: Draw,
  choice: Choice,
  tried: string,
  nth: number,
): Promise<boolean> {
  if (isWorthAsking(s, draw, choice, tried, nth)) {
    const isThere = await takes(s, choice.peer.address)
    if (!isThere) {
      tellFailed(s, choice.peer.sid)
      count(counter, 'retried', s)
    }
    if (!isThere || !isStillUp(draw, choice)) {
      return false
    }
  }
  return claim(choice)
}

/** The address to connect to; '' when nobody serves. */
async function find(s: NginxStreamRequest, key: string): Promise<string> {
  const ground = groundOf(s)
  const draw = drawOf(ground.table, ground.asked, key)
  if (draw.unit === '' || ground.table.get(draw.unit) === undefined) {
    count(counter, parseState(ground.table.get(STATE_KEY)).whole ? 'noRoute' : 'noPeer', s)
    return ''
  }
  let tried = ''
  for (let nth = 0; nth < MAX_TRIES; nth++) {
    const wish = nth === 0 ? drawWish(ground, draw) : { upstream: '', sid: '' }
    const choice = choose(ground, draw, wish, tried)
    if (choice === null) {
      break
    }
    if (await isTaken(s, draw, choice, tried, nth)) {
      follow(s, choice.peer.sid)
      return choice.peer.address
    }
    tried = tried + ' ' + choice.peer.sid
    draw.share = (draw.share + 619) % SHARES
  }
  count(counter, 'noPeer', s)
  return ''
}

/** Chooses, or closes the connection. Never throws. */
async function serve(s: NginxStreamRequest, key: string): Promise<void> {
  let address = ''
  try {
    address = await find(s, key)
  } catch (error) {
    countFailure(counter, 'the pick of a connection', error, s)
  }
  if (address === '') {
    s.deny()
    return
  }
  s.variables.sluice_peer = address
  s.allow()
}

/** Before anything of the client's is read. */
function pick(s: NginxStreamRequest): Promise<void> {
  return serve(s, s.variables.sluice_key as string)
}

/** Of a TLS connection that nginx looked into: the unit of the name; '' when this is to be terminated here. */
function passed(s: NginxStreamRequest): string {
  return findPassed(zones.sluice_table, s.variables.ssl_preread_server_name || '')
}

/** The same connection, in the server that passes it through: nginx took along no variable, but all that the client said is still unread. */
function pass(s: NginxStreamRequest): void {
  s.on('upstream', (data) => {
    let name: string | null = ''
    try {
      name = nameIn(data)
    } catch (error) {
      countFailure(counter, 'reading what a TLS client asks for', error, s)
    }
    if (name !== null) {
      s.off('upstream')
      const unit = findPassed(zones.sluice_table, name)
      void serve(s, unit + '/' + (s.variables.sluice_slot as string))
    }
  })
}

/** The server that asks: whom, stands in the request that the hop sends. */
function asked(s: NginxStreamRequest): void {
  s.on('upload', (data) => {
    const line = /^GET \/([\d.:a-f[\]]+) /.exec(String(data))
    if (line !== null) {
      s.variables.sluice_peer = line[1]
      s.off('upload')
      s.done()
    }
  })
}

/** The peer took the connection. Nothing is sent to it, and what it says by itself is nobody's. */
function answered(s: NginxStreamRequest): void {
  s.on('downstream', () => undefined)
  s.on('upstream', (data) => {
    if (data.length > 0) {
      s.sendDownstream('HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n')
    }
  })
}

export default { pick, passed, pass, asked, answered }
