/** Which names TLS is passed through for, as a gateway's `http{}` has to know them. Pure. */
import { isSniRoute } from '../../contract/record/stream-route.js'
import type { DesiredStreamRoute } from '../state/desired.js'

/** Those at the HTTPS port: at another one nobody speaks HTTP/3. */
export function passthroughNames(routes: Iterable<DesiredStreamRoute>): Set<string> {
  const names = [...routes].flatMap(({ record }) =>
    isSniRoute(record) && record.port === undefined ? record.sni : [],
  )
  return new Set(names)
}
