/** Metrics of instances, by upstream. */
import { Counter, Gauge } from 'prom-client'
import type { Registry as PromRegistry } from 'prom-client'
import type { Serving } from '../serving.js'
import { instanceState } from '../state/desired.js'
import type { Desired } from '../state/desired.js'
import { gaugesOf } from './gauge.js'

/**
 * The upstreams beyond those that are shown by name, so that a large table does not flood
 * Prometheus.
 */
const OTHERS = '(others)'

export interface UpstreamMetricsOptions {
  promRegistry: PromRegistry
  serving: Serving
  /** How many upstreams are shown by name; the first by alphabet. */
  mostNamed: number
}

export function addUpstreamMetrics(options: UpstreamMetricsOptions): void {
  addInstances(options)
  addEjections(options)
}

/** The upstreams that are shown by name. */
function namesUpTo(most: number): (desired: Desired) => Set<string> {
  return ({ upstreams }) => new Set([...upstreams.keys()].sort().slice(0, most))
}

function addInstances({ promRegistry, serving, mostNamed }: UpstreamMetricsOptions): void {
  const gauge = gaugesOf(promRegistry)
  const { state, gateway } = serving
  const { health } = gateway
  const namesOf = namesUpTo(mostNamed)
  gauge('sluice_upstreams', 'Upstreams that are known', () => state.desired().upstreams.size)
  gauge(
    'sluice_upstreams_unnamed',
    `Upstreams that are not shown by name but as ${OTHERS}: raise metrics-upstreams to see them`,
    () => Math.max(0, state.desired().upstreams.size - mostNamed),
  )
  new Gauge({
    name: 'sluice_instances',
    help: `Instances by upstream and state; upstreams after the first ${mostNamed} together`,
    labelNames: ['upstream', 'state'],
    registers: [promRegistry],
    collect() {
      this.reset()
      const desired = state.desired()
      const named = namesOf(desired)
      for (const { name, instances } of desired.upstreams.values()) {
        const upstream = named.has(name) ? name : OTHERS
        const counts = { up: 0, draining: 0, down: 0 }
        const conditions = health.conditionsOf(name)
        instances.forEach((instance) => {
          counts[instanceState(instance, conditions.get(instance.id)).state]++
        })
        this.inc({ upstream, state: 'up' }, counts.up)
        this.inc({ upstream, state: 'draining' }, counts.draining)
        this.inc({ upstream, state: 'down' }, counts.down)
      }
    },
  })
}

function addEjections({ promRegistry, serving, mostNamed }: UpstreamMetricsOptions): void {
  const { state, gateway } = serving
  const { health } = gateway
  const namesOf = namesUpTo(mostNamed)
  new Gauge({
    name: 'sluice_ejected',
    help: `Ejected instances by upstream, where there are any; upstreams after the first ${mostNamed} together`,
    labelNames: ['upstream'],
    registers: [promRegistry],
    collect() {
      this.reset()
      const named = namesOf(state.desired())
      for (const [name] of health.conditions()) {
        const ejected = health.ejected(name)
        if (ejected > 0) {
          this.inc({ upstream: named.has(name) ? name : OTHERS }, ejected)
        }
      }
    },
  })
  new Counter({
    name: 'sluice_ejections_total',
    help: 'Ejections, trials that failed included, since the controller was started',
    registers: [promRegistry],
    collect() {
      this.reset()
      this.inc(health.ejections)
    },
  })
}
