/**
 * The state of a request in the hop. Each named location is a new VM, so the state stands in
 * variables of nginx. This file and act-state.ts alone write them, but for the plain requests of
 * entry/hop.ts.
 */
import { UnitKind } from '../../contract/table/mark.js'
import { Width, printPeer } from '../../contract/table/table.js'
import type { PeerChoice } from '../choose/choice-types.js'
import type { HopVariables } from './hop-variables.js'
import { parsePick } from './picked.js'
import type { Picked } from './picked.js'

export type Refusal =
  'no_route' | 'unclear_path' | 'no_peer' | 'upstream_full' | 'not_grpc' | 'only_grpc' | 'no_h2'

export interface HopState {
  readonly r: NginxHTTPRequest
  readonly v: HopVariables
  /** What the front looked up and picked. */
  readonly picked: Picked
}

export interface Try {
  /** `:web` */
  upstream: string
  address: string
  sid: string
  id: string
  token: string
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
export function currentTry(h: HopState): Try | null {
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
export function setNextTry(h: HopState, choice: PeerChoice, tried: string, location: string): void {
  h.v.sluice_choice = choice.upstream + ' ' + printPeer(choice.peer)
  h.v.sluice_tried = tried
  h.v.sluice_location = location
}

/** The current try begins: it counts as tried from now on. */
export function startTry(h: HopState, current: Try, cookie: string): void {
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
export function setPreflightPeer(h: HopState, address: string): void {
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
  return trial.length > Width.Sid ? trial.slice(1) : ''
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
