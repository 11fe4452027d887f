/** A route's own pages in place of errors. */
import type { RouteAction } from '../../contract/record/route-action.js'
import type { ErrorPage } from '../../contract/record/route-page.js'
import { PEER_HEADER } from '../../contract/table/zones.js'

/** Headers of the body that is replaced. */
const OF_BODY =
  'Content-Type Content-Encoding Content-Range Accept-Ranges ETag Last-Modified'.split(' ')
/** The page is on its way; what still comes is the rest of what it replaces. */
const SENT = '-'

export function errorPage(action: RouteAction, status: number): ErrorPage | undefined {
  return action.pages === undefined ? undefined : action.pages[String(status)]
}

/** The hop marks what it answers itself. */
function isOurs(peer: string | string[] | undefined): boolean {
  return peer === undefined || /!$/.test(String(peer))
}

/** The headers; `paper` is what brings the page itself. */
export function replace(r: NginxHTTPRequest, action: RouteAction): void {
  const out = r.headersOut
  const page = errorPage(action, r.status)
  if (page === undefined || !(page.intercept === true || isOurs(out[PEER_HEADER]))) {
    return
  }
  OF_BODY.forEach((name) => {
    delete out[name]
  })
  out['Content-Length'] = String(Buffer.from(page.body).length)
  out['Cache-Control'] = 'no-store'
  r.status = page.status
  // Set as a header here, nginx would add the charset of what is replaced.
  r.variables.sluice_act_type = page.contentType
  r.variables.sluice_act_page = '+' + page.body
}

/** The page with the first of the body that it replaces, and nothing with the others. */
export function paper(r: NginxHTTPRequest, data: Buffer, flags: NginxHTTPSendBufferOptions): void {
  const page = r.variables.sluice_act_page as string
  if (page === '') {
    // Unless told so, nginx keeps little data back: an event would come with the next.
    r.sendBuffer(data, { last: flags.last === true, flush: true })
    r.done()
    return
  }
  if (page !== SENT || flags.last === true) {
    r.sendBuffer(page === SENT ? '' : page.slice(1), { last: flags.last === true })
  }
  r.variables.sluice_act_page = SENT
}
