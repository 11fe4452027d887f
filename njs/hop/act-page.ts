/** A route's own pages in place of errors. */
import type { RouteAction } from '../../contract/record/route-action.js'
import type { ErrorPage } from '../../contract/record/route-page.js'
import { PEER_HEADER } from '../../contract/servers.js'
import { setPage, takePage } from './act-state.js'
import { hopVariables } from './state.js'

/** Headers of the body that is replaced. */
const OF_BODY =
  'Content-Type Content-Encoding Content-Range Accept-Ranges ETag Last-Modified'.split(' ')

export function errorPage(action: RouteAction, status: number): ErrorPage | undefined {
  return action.pages === undefined ? undefined : action.pages[String(status)]
}

/** The hop marks what it answers itself. */
function isOurs(peer: string | string[] | undefined): boolean {
  return peer === undefined || /^\S+ \S+ \d+!/.test(String(peer))
}

/** The headers of an answer whose body `replaceBody` replaces by the route's page. */
export function replaceHeaders(r: NginxHTTPRequest, action: RouteAction): void {
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
  setPage(hopVariables(r), page.contentType, page.body)
}

/** The page with the first of the body that it replaces, and nothing with the others. */
export function replaceBody(
  r: NginxHTTPRequest,
  data: Buffer,
  flags: NginxHTTPSendBufferOptions,
): void {
  const page = takePage(hopVariables(r))
  if (page === null) {
    // Without a flush nginx keeps little data back: an event would come with the next.
    r.sendBuffer(data, { last: flags.last === true, flush: true })
    r.done()
    return
  }
  if (page !== '' || flags.last === true) {
    r.sendBuffer(page, { last: flags.last === true })
  }
}
