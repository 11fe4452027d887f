/** What a route does with a request besides choosing an upstream, in words. */
import type { Redirect, RouteAction } from '../../../contract/record/route-action.js'
import type { HeaderEdits } from '../../../contract/record/header-edits.js'

function redirectText({ status, ...to }: Redirect): string {
  const parts = Object.entries(to).map(([part, value]) => `${part} ${value}`)
  return `it is answered ${status}, to ${parts.join(', ')}, unless it is there already`
}

function headersText(whose: string, { set = {}, add = {}, remove = [] }: HeaderEdits): string {
  const parts = [
    ...Object.keys(set).map((name) => `sets ${name}`),
    ...Object.keys(add).map((name) => `adds ${name}`),
    ...remove.map((name) => `removes ${name}`),
  ]
  return `the route ${parts.join(', ')} in the ${whose}`
}

function describeHeaders({ requestHeaders, responseHeaders }: RouteAction): string[] {
  return [
    ...(requestHeaders === undefined ? [] : [headersText('request', requestHeaders)]),
    ...(responseHeaders === undefined ? [] : [headersText('answer', responseHeaders)]),
  ]
}

function describePages({ pages = {} }: RouteAction): string[] {
  return Object.entries(pages).map(([status, page]) => {
    const whose = page.intercept === true ? 'whoever says it' : 'where Sluice says it'
    return `${status} is answered by a page of its own, with status ${page.status}, ${whose}`
  })
}

function describeLimits(action: RouteAction): string[] {
  const { timeouts, maxBodyBytes, buffering, mirror, upgrade } = action
  return [
    ...(timeouts === undefined
      ? []
      : [`after ${timeouts.readMs} ms of silence it is answered 504`]),
    ...(maxBodyBytes === undefined ? [] : [`a body of over ${maxBodyBytes} bytes is answered 413`]),
    ...(buffering === undefined ? [] : [`buffering of answers is ${buffering ? 'on' : 'off'}`]),
    ...(mirror === undefined ? [] : [`${mirror.percent} % are sent to ${mirror.upstream} as well`]),
    ...(upgrade === undefined
      ? []
      : [
          `clients may change to ${upgrade.length === 0 ? 'no other protocol' : upgrade.join(', ')}`,
        ]),
  ]
}

/** `path` is as nginx normalises it. */
export function describeAction(
  action: RouteAction | undefined,
  path: string,
  pathPrefix: string,
): string[] {
  if (action === undefined) {
    return []
  }
  const { rewrite, upstreamHost, redirect, maintenance } = action
  if (maintenance !== undefined) {
    return [`the route is under maintenance and answers ${maintenance.status}`]
  }
  const lines: string[] = []
  if (redirect !== undefined) {
    lines.push(redirectText(redirect))
  }
  if (rewrite !== undefined) {
    const rest = pathPrefix === '/' ? path : path.slice(pathPrefix.length)
    const prefix = (rewrite.replacePrefix ?? '/').replace(/\/$/, '')
    lines.push(`the upstream is asked for ${(prefix + rest).replace(/^(?!\/)/, '/')}`)
  }
  if (upstreamHost !== undefined) {
    lines.push(`the upstream gets the Host ${upstreamHost}`)
  }
  return [...lines, ...describeHeaders(action), ...describeLimits(action), ...describePages(action)]
}
