/** What a route does with a request besides choosing an upstream, in words. */
import type { Redirect, RouteAction } from '../../contract/route-action.js'

function redirectText({ status, ...to }: Redirect): string {
  const parts = Object.entries(to).map(([part, value]) => `${part} ${value}`)
  return `it is answered ${status}, to ${parts.join(', ')}, unless it is there already`
}

/** `path` is as nginx normalises it. */
export function tellAction(
  action: RouteAction | undefined,
  path: string,
  pathPrefix: string,
): string[] {
  const { rewrite, upstreamHost, redirect, maintenance } = action ?? {}
  if (maintenance !== undefined) {
    return [`the route is under maintenance and answers ${maintenance.status}`]
  }
  const told: string[] = []
  if (redirect !== undefined) {
    told.push(redirectText(redirect))
  }
  if (rewrite !== undefined) {
    const rest = pathPrefix === '/' ? path : path.slice(pathPrefix.length)
    const prefix = (rewrite.replacePrefix ?? '/').replace(/\/$/, '')
    told.push(`the upstream is asked for ${(prefix + rest).replace(/^(?!\/)/, '/')}`)
  }
  if (upstreamHost !== undefined) {
    told.push(`the upstream gets the Host ${upstreamHost}`)
  }
  return told
}
