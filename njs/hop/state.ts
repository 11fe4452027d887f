/**
 * The state of a request in the hop. Each named location is a new VM, so the state stands in
 * variables of nginx. This file alone writes them, but for the plain requests of entry/hop.ts.
 */
import { UnitKind } from '../../contract/table/mark.js'
import { SID_LENGTH, printPeer } from '../../contract/table/table.js'
import { HEAD_ONLY, TOO_LARGE } from '../../contract/table/zones.js'
import type { PeerChoice } from '../choose/choice.js'

export interface Picked {
  /** `@app.example.com/7` or `:web/7` */
  key: string
  /** What the front picked; '' when it left that to the hop. */
  sid: string
}

export type Refusal =
  'no_route' | 'unclear_path' | 'no_peer' | 'upstream_full' | 'not_grpc' | 'only_grpc' | 'no_h2'

/** Whether the front sent the head alone, for it saw that the request is refused. */
export function isHeadOnly(picked: Picked): boolean {
  return picked.sid === HEAD_ONLY || picked.sid === TOO_LARGE
}

/** Variables that are always there: nginx's own, and those that nginx/http-conf.ts declares. */
export interface HopVariables {
  readonly server_addr: string
  readonly request_time: string
  readonly request_uri: string
  readonly sluice_share: string
  readonly sluice_host: string
  /** `:web <sid> <address> <id> <flags>[ <token>]`; of a fallback, its upstream{} or socket. */
  sluice_choice: string
  /** SIDs, apart from each other by spaces. */
  sluice_tried: string
  /** `<upstream> <instance> <tries>` for the access log; `!` at its end: Sluice answered. */
  sluice_outcome: string
  /** `<code> <name>` of what the hop answers itself. */
  sluice_refused: string
  /** The named location that goes on. */
  sluice_location: string
  /** `1`: how the answer begins is measured. */
  sluice_watched: string
  /** SID of the peer for which this request is the trial; `5` before it: it answered by a 5xx. */
  sluice_trial: string
  /** `:web <sid>`, apart by commas: who was sent this request and did not answer it well. */
  sluice_unanswered: string
  sluice_session_cookie: string
  sluice_arm_cookie: string
  /** The upstream whose fallback is wanted; '' for that of the host. */
  sluice_wanted: string
  sluice_tls_name: string
  sluice_tls_certificate: string
  /** An address that is asked whether it takes connections, before a call of gRPC goes there. */
  sluice_preflight_peer: string
  readonly sluice_fallback_socket: string
  /** '' where nginx is too old to speak HTTP/2 to peers. */
  readonly sluice_h2: string
  /** `1` where all requests come by the hop. */
  readonly sluice_unpooled: string
  sluice_act_pick: string
  sluice_act_headers: string
  sluice_act_mirror: string
  sluice_act_target: string
  sluice_act_host: string
  sluice_act_upgrade: string
  sluice_act_page: string
  sluice_act_type: string
  /** Whatever may be missing. */
  [name: string]: string | undefined
}

export interface HopState {
  readonly r: NginxHTTPRequest
  readonly v: HopVariables
  /** What the front looked up and picked. */
  readonly picked: Picked
}

export interface Tried {
  /** `:web` */
  upstream: string
  address: string
  sid: string
  id: string
  token: string
}

/**
 * Parses `@app.example.com/7 0123…`. A key may hold anything, but a SID never holds a space. nginx
 * joins a client's `X_Sluice_Pick` to the front's own header, behind `, `: that is not read.
 */
export function parsePick(header: string | undefined): Picked {
  const text = header === undefined ? '' : (header.split(', ', 1)[0] as string)
  const space = text.lastIndexOf(' ')
  return space < 0
    ? { key: text, sid: '' }
    : { key: text.slice(0, space), sid: text.slice(space + 1) }
}

export function hopVariables(r: NginxHTTPRequest): HopVariables {
  return r.variables as unknown as HopVariables
}

export function hopState(r: NginxHTTPRequest): HopState {
  const v = hopVariables(r)
  return { r: r, v: v, picked: parsePick(v.http_x_sluice_pick) }
}

/** Whether this is a call of gRPC: those have a socket of their own (nginx/grpc-conf.ts). */
export function isGrpc(h: HopState): boolean {
  return h.v.server_addr.indexOf('grpc.sock') >= 0
}

/** Whether the hop was asked for this request before, and did not answer in time. */
export function isSecondCall(h: HopState): boolean {
  return h.v.server_addr.indexOf('again.sock') >= 0
}

export function triesIn(tried: string): number {
  return tried === '' ? 0 : tried.split(' ').length
}

/** The peer of the current try; null for the fallback. */
export function currentTry(h: HopState): Tried | null {
  const choice = h.v.sluice_choice
  if (choice.charAt(0) !== UnitKind.Upstream) {
    return null
  }
  const parts = choice.split(' ')
  return {
    upstream: parts[0] as string,
    sid: parts[1] as string,
    address: parts[2] as string,
    id: parts[3] as string,
    token: parts[5] === undefined ? '' : parts[5],
  }
}

/** `tried` counts as tried already, and `location` makes the try. */
export function setTry(h: HopState, choice: PeerChoice, tried: string, location: string): void {
  h.v.sluice_choice = choice.upstream + ' ' + printPeer(choice.peer)
  h.v.sluice_tried = tried
  h.v.sluice_location = location
}

/** The current try begins: it counts as tried from now on. */
export function setTried(h: HopState, current: Tried, cookie: string): void {
  const v = h.v
  v.sluice_tried = v.sluice_tried === '' ? current.sid : v.sluice_tried + ' ' + current.sid
  setOutcome(h, current.upstream.slice(1), current.id, triesIn(v.sluice_tried))
  v.sluice_session_cookie = cookie
}

/** '' for an upstream or an instance that is not known. */
export function setOutcome(h: HopState, upstream: string, instance: string, tries: number): void {
  h.v.sluice_outcome = (upstream || '-') + ' ' + (instance || '-') + ' ' + tries
}

/** Says in the access log that Sluice itself answered. */
export function markOwnAnswer(h: HopState): void {
  h.v.sluice_outcome = h.v.sluice_outcome + '!'
}

/** The upstream in the outcome. */
export function outcomeUpstream(h: HopState): string {
  return h.v.sluice_outcome.split(/[ .]/)[0] as string
}

export function setRefusal(h: HopState, code: Refusal, name: string): void {
  h.v.sluice_refused = code + ' ' + name
  h.v.sluice_location = '@sluice_refuse'
}

/** What `setRefusal` set; null where every try failed. */
export function refusalOf(h: HopState): { code: Refusal; name: string } | null {
  if (h.v.sluice_location !== '@sluice_refuse') {
    return null
  }
  const text = h.v.sluice_refused
  const space = text.indexOf(' ')
  return { code: text.slice(0, space) as Refusal, name: text.slice(space + 1) }
}

/** Every try failed, or none may be made. */
export function setFailed(h: HopState, upstream: string, tries: number): void {
  h.v.sluice_location = '@sluice_fail'
  setOutcome(h, upstream, '', tries)
}

/** Where the fallback serves the upstream, or for '' the host; '' where there is no fallback. */
export function findFallback(h: HopState, upstream: string): string {
  h.v.sluice_wanted = upstream
  const target = h.v.sluice_fallback
  // Without a fallback its map does not exist either.
  return target === undefined ? '' : upstream === '' ? h.v.sluice_fallback_socket : target
}

export function setFallback(h: HopState, target: string, upstream: string): void {
  h.v.sluice_choice = target
  setOutcome(h, upstream, '', 1)
}

/** nginx asks this address whether it takes connections before it passes a call on; '': none. */
export function setAsked(h: HopState, address: string): void {
  h.v.sluice_preflight_peer = address
}

/** How the answer begins is to be measured. */
export function watchAnswer(h: HopState): void {
  h.v.sluice_watched = '1'
}

/** This request is the trial of the peer. */
export function setTrial(h: HopState, sid: string): void {
  watchAnswer(h)
  h.v.sluice_trial = sid
}

export function isTrialOf(h: HopState, sid: string): boolean {
  return h.v.sluice_trial === sid
}

/** The peer on trial answered by a 5xx. What another one answers shows whose fault that is. */
export function setTrialDoubted(h: HopState): void {
  h.v.sluice_trial = '5' + h.v.sluice_trial
}

/** SID of the peer whose trial is in doubt; '' when none is. */
export function doubtedTrial(h: HopState): string {
  const trial = h.v.sluice_trial
  return trial.length > SID_LENGTH ? trial.slice(1) : ''
}

/** The peer did not answer this request well. Whether another one does is to be seen. */
export function addUnanswered(h: HopState, upstream: string, sid: string): void {
  const v = h.v
  watchAnswer(h)
  v.sluice_unanswered = (v.sluice_unanswered && v.sluice_unanswered + ',') + upstream + ' ' + sid
}

/** What `addUnanswered` added: each once. */
export function takeUnanswered(h: HopState): Array<{ upstream: string; sid: string }> {
  const text = h.v.sluice_unanswered
  h.v.sluice_unanswered = ''
  return text === ''
    ? []
    : text.split(',').map((each) => {
        const space = each.indexOf(' ')
        return { upstream: each.slice(0, space), sid: each.slice(space + 1) }
      })
}

/** By which name nginx asks over TLS, and the certificate that it shows; '' for none. */
export function setTls(h: HopState, name: string, certificate: string): void {
  h.v.sluice_tls_name = name
  h.v.sluice_tls_certificate = certificate === '' ? '' : 'data:' + certificate
}

/** The cookie by which the client keeps an arm of a split; '' for none. */
export function setArmCookie(
  variables: { [name: string]: string | undefined },
  cookie: string,
): void {
  variables.sluice_arm_cookie = cookie
}

/** How the hop asks itself once more, for a route that acts. */
export interface Forwarding {
  /** `:web/7` or `:web/7 <sid>` */
  pick: string
  /** Lines of request headers; '' for none. */
  lines: string
  /** `:copy/7`; '' for no mirror. */
  mirror: string
  /** Path and query; '' as they came. */
  target: string
  host: string
  /** The protocol that the client may change to; '' for none, `-` where the route does not say. */
  upgrade: string
}

export function setForwarding(h: HopState, to: Forwarding): void {
  h.v.sluice_act_pick = to.pick
  h.v.sluice_act_headers = to.lines
  h.v.sluice_act_mirror = to.mirror
  h.v.sluice_act_target = to.target
  h.v.sluice_act_host = to.host
  h.v.sluice_act_upgrade = to.upgrade
}

const PAGE_SENT = '-'

/** A route's page in place of an answer's body. */
export function setPage(v: HopVariables, contentType: string, body: string): void {
  // Set as a header, nginx would add the charset of what is replaced.
  v.sluice_act_type = contentType
  v.sluice_act_page = '+' + body
}

/** What `setPage` set: with the first chunk the body, then ''; null where there is no page. */
export function takePage(v: HopVariables): string | null {
  const page = v.sluice_act_page
  if (page === '') {
    return null
  }
  v.sluice_act_page = PAGE_SENT
  return page === PAGE_SENT ? '' : page.slice(1)
}
