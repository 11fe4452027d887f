/** One service of Traefik's labels → the port, and the upstream's settings. Pure. */
import { guardUpstream } from '../../contract/record/upstream-record.js'
import type { UpstreamRecord } from '../../contract/record/upstream-record.js'
import { parseDuration } from '../../runtime/duration.js'
import type { LeftOut } from './left-out.js'
import type { Options } from './traefik-middlewares.js'

const KNOWN =
  /^loadbalancer\.(server\.(port|scheme|weight)|passhostheader|sticky\.cookie(\.(name|secure|httponly|samesite|maxage|path))?|sticky|healthcheck\.(path|interval|timeout|port|method|hostname))$/

function flag(text: string | undefined): boolean | undefined {
  return text === undefined ? undefined : text.toLowerCase() === 'true'
}

/** Without what is undefined. */
function given(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function stickyOf(options: Options) {
  const of = (key: string) => options.get(`loadbalancer.sticky.cookie${key}`)
  const seconds = Number(of('.maxage') ?? 0)
  const isAsked = [...options.keys()].some((key) => key.startsWith('loadbalancer.sticky.cookie'))
  return isAsked && of('') !== 'false'
    ? given({
        ...{ by: 'cookie', name: of('.name'), path: of('.path'), secure: flag(of('.secure')) },
        ...{ httpOnly: flag(of('.httponly')) ?? false, sameSite: of('.samesite')?.toLowerCase() },
        ttlMs: seconds > 0 ? seconds * 1000 : undefined,
      })
    : undefined
}

function checkOf(options: Options) {
  const of = (key: string) => options.get(`loadbalancer.healthcheck.${key}`)
  const port = of('port')
  return of('path') === undefined
    ? undefined
    : given({
        ...{ type: 'http', path: of('path'), method: of('method'), host: of('hostname') },
        intervalMs: parseDuration(of('interval') ?? '30s'),
        timeoutMs: parseDuration(of('timeout') ?? '5s'),
        port: port === undefined ? undefined : Number(port),
      })
}

/** What of the service is the upstream's; what is not taken goes to `leftOut`. */
export function serviceSettings(
  prefix: string,
  options: Options,
  more: Record<string, unknown>,
  leftOut: LeftOut,
): UpstreamRecord | undefined {
  for (const option of options.keys()) {
    if (!KNOWN.test(option)) {
      leftOut.add(`${prefix}.${option}`)
    }
  }
  const scheme = options.get('loadbalancer.server.scheme')?.toLowerCase() ?? 'http'
  if (!['http', 'https', 'h2c'].includes(scheme)) {
    leftOut.add(`${prefix}.loadbalancer.server.scheme`)
  }
  const policy = given({ sticky: stickyOf(options), check: checkOf(options), ...more })
  const tls = scheme === 'https' ? { verify: false } : undefined
  const wish = given({ policy, tls, protocol: scheme === 'h2c' ? 'h2' : undefined })
  if (Object.keys(policy).length === 0 && Object.keys(wish).length === 1) {
    return undefined
  }
  const guarded = guardUpstream(wish)
  if (guarded.ok) {
    return guarded.value
  }
  leftOut.add(prefix, `${guarded.field} ${guarded.message}`)
  return undefined
}
