/** What Consul's health endpoint says of one instance of a service, read and guarded. Pure. */
import { isObject } from '../../../contract/guard/guarded.js'

type CheckStatus = 'passing' | 'warning' | 'critical'

export interface HealthEntry {
  node: string
  id: string
  service: string
  /** An address or a name: the service's own, or else its node's. */
  host: string
  port: number
  tags: string[]
  meta: Array<[string, string]>
  /** While passing, and while warning. */
  weights: { passing: number; warning: number }
  /** The worst of its checks. */
  status: CheckStatus
  /** What made it so: the checks that are not passing, by name. */
  failing: string[]
  /** Why it is in maintenance; undefined: it is not. */
  maintenance: string | undefined
  /** Milliseconds between two runs of its slowest check, where Consul says so. */
  intervalMs: number | undefined
  /** Whether it is a proxy of Consul's mesh, which speaks to its own kind alone. */
  isMeshProxy: boolean
}

const textIn = (object: Record<string, unknown>, name: string): string => {
  const value = object[name]
  return typeof value === 'string' ? value : ''
}

const objectIn = (object: Record<string, unknown>, name: string): Record<string, unknown> => {
  const value = object[name]
  return isObject(value) ? value : {}
}

function weightIn(weights: Record<string, unknown>, name: string): number {
  const value = weights[name]
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : 1
}

const RANK: Record<CheckStatus, number> = { passing: 0, warning: 1, critical: 2 }
const MAINTENANCE = /^(_node_maintenance$|_service_maintenance:)/

type Checks = Pick<HealthEntry, 'status' | 'failing' | 'maintenance' | 'intervalMs'>

function readChecks(list: unknown): Checks {
  const checks: Checks = {
    ...{ status: 'passing', failing: [], maintenance: undefined, intervalMs: undefined },
  }
  for (const check of Array.isArray(list) ? list.filter(isObject) : []) {
    if (MAINTENANCE.test(textIn(check, 'CheckID'))) {
      checks.maintenance = textIn(check, 'Notes')
      continue
    }
    const said = textIn(check, 'Status')
    // One that Consul may know in later days is not passing.
    const status = said === 'passing' || said === 'warning' ? said : 'critical'
    if (status !== 'passing') {
      checks.failing.push(`${textIn(check, 'Name') || textIn(check, 'CheckID')} is ${status}`)
    }
    checks.status = RANK[status] > RANK[checks.status] ? status : checks.status
    const interval = /^(\d+)(ms|s|m)/.exec(textIn(objectIn(check, 'Definition'), 'Interval'))
    if (interval !== null) {
      const unitMs = { ms: 1, s: 1000, m: 60_000 }[interval[2] ?? ''] ?? 1
      checks.intervalMs = Math.max(checks.intervalMs ?? 0, Number(interval[1]) * unitMs)
    }
  }
  return checks
}

/** Undefined for what is no entry of Consul's. Its address and port are guarded later. */
function readEntry(value: unknown): HealthEntry | undefined {
  if (!isObject(value) || !isObject(value.Service)) {
    return undefined
  }
  const [service, node] = [value.Service, objectIn(value, 'Node')]
  const weights = objectIn(service, 'Weights')
  const tags: unknown[] = Array.isArray(service.Tags) ? service.Tags : []
  return {
    node: textIn(node, 'Node'),
    id: textIn(service, 'ID'),
    service: textIn(service, 'Service'),
    host: textIn(service, 'Address') || textIn(node, 'Address'),
    port: typeof service.Port === 'number' ? service.Port : 0,
    tags: tags.filter((tag) => typeof tag === 'string'),
    meta: Object.entries(objectIn(service, 'Meta')).filter(
      (pair): pair is [string, string] => typeof pair[1] === 'string',
    ),
    weights: { passing: weightIn(weights, 'Passing'), warning: weightIn(weights, 'Warning') },
    ...readChecks(value.Checks),
    isMeshProxy: textIn(service, 'Kind') !== '',
  }
}

/**
 * The entries of `/v1/health/service/<name>`; throws where it is no list. Consul does not tell
 * capitals from small letters there, while its catalog does.
 */
export function readHealth(body: unknown, name: string): HealthEntry[] {
  if (!Array.isArray(body)) {
    throw new Error("what answers is not Consul: a service's health is no list")
  }
  const entries = body.map(readEntry).filter((entry) => entry !== undefined)
  return entries.filter(({ service }) => service === name)
}

/** Name → tags of all services, of `/v1/catalog/services`; throws where it is no such object. */
export function readCatalog(body: unknown): Map<string, string[]> {
  if (!isObject(body)) {
    throw new Error('what answers is not Consul: its catalog is no object')
  }
  const services = Object.entries(body)
  return new Map(
    services.map(([name, tags]) => [name, Array.isArray(tags) ? tags.map(String) : []]),
  )
}
