/** Registrator's `SERVICE_CHECK_*` of one port → the upstream's active check. Pure. */
import { guardUpstream } from '../../contract/record/upstream-record.js'
import type { UpstreamRecord } from '../../contract/record/upstream-record.js'
import { parseDuration } from '../../runtime/duration.js'
import type { LeftOut } from './left-out.js'

/** As registrator has them where nothing else is said. */
const INTERVAL_MS = 10_000
const TYPES = ['http', 'tcp', 'grpc'] as const
const KNOWN = /^check_(http|http_method|tcp|grpc|interval|timeout|initial_status)$/

/** What is said of a check: `check_http` → `/health`. */
type Fields = ReadonlyMap<string, string>

function initialOf(status: string): { initial?: 'up' | 'down' } {
  return status === 'passing' ? { initial: 'up' } : {}
}

function timesOf(fields: Fields) {
  const intervalMs = parseDuration(fields.get('check_interval') ?? '') ?? INTERVAL_MS
  const timeoutMs = parseDuration(fields.get('check_timeout') ?? '')
  return { intervalMs, ...(timeoutMs !== undefined && { timeoutMs }) }
}

function checkOf(type: (typeof TYPES)[number], fields: Fields) {
  const said = fields.get(`check_${type}`) ?? ''
  const times = { type, ...timesOf(fields), ...initialOf(fields.get('check_initial_status') ?? '') }
  if (type === 'grpc') {
    // `true`, or the name of a service: Consul takes it behind a slash.
    return { ...times, service: /^(true|1)$/i.test(said) ? '' : said.replace(/^.*\//, '') }
  }
  const method = fields.get('check_http_method')
  const http = { path: said.startsWith('/') ? said : `/${said}`, ...(method && { method }) }
  return type === 'http' ? { ...times, ...http } : times
}

/** The check of the first type that is given. What is not taken goes to `leftOut`, by its label. */
export function checkSettings(
  fields: Fields,
  nameOf: (key: string) => string,
  leftOut: LeftOut,
): UpstreamRecord | undefined {
  for (const [key, value] of fields) {
    const isOther = key === 'check_initial_status' && value !== 'passing'
    if (key.startsWith('check_') && (!KNOWN.test(key) || isOther)) {
      leftOut.add(nameOf(key))
    }
  }
  const given = TYPES.filter((type) => {
    const value = fields.get(`check_${type}`) ?? ''
    return value !== '' && value.toLowerCase() !== 'false'
  })
  const [type, ...others] = given
  others.forEach((other) => leftOut.add(nameOf(`check_${other}`), 'one check counts'))
  if (type === undefined) {
    return undefined
  }
  const guarded = guardUpstream({ policy: { check: checkOf(type, fields) } })
  if (guarded.ok) {
    return guarded.value
  }
  leftOut.add(nameOf(`check_${type}`), `${guarded.field} ${guarded.message}`)
  return undefined
}
