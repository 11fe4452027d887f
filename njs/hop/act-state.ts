/**
 * The state of a request whose route acts, beside what state.ts has: how the hop asks itself once
 * more, and the page that replaces an answer.
 */
import type { HopVariables } from './hop-variables.js'
import type { HopState } from './state.js'

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
