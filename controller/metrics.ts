/** What Prometheus is shown. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { messageOf } from '../runtime/errors.js'
import type { Logger } from '../runtime/logger.js'
import { soonest } from './table/certificate-plan.js'
import type { RegistryView } from './views.js'
import { CURES } from './findings/codes.js'
import type { Findings } from './findings/findings.js'
import type { Core } from './core.js'
import { instanceState } from './state/desired.js'
import type { Desired } from './state/desired.js'

/**
 * The upstreams beyond those that are shown by name, so that a large table does not flood
 * Prometheus.
 */
const OTHERS = '(others)'

export interface MetricsOptions {
  log: Logger
  core: Core
  registryView: () => RegistryView
  findings: Pick<Findings, 'list'>
  /** How many upstreams are shown by name; the first by alphabet. */
  mostNamed: number
}

export class Metrics {
  /** prom-client's: `contentType` and `metrics()` are what `GET /metrics` needs. */
  readonly registry = new Registry()
  readonly pushFailures: Counter<'reason'>
  readonly fallbackErrors: Counter<'step'>
  readonly rejected: Counter<'rule'>
  /** Keys that were not served as the registry had them, and were mended. */
  readonly differences: Counter
  readonly converge: Histogram
  readonly #log: Logger
  readonly #core: Core
  readonly #mostNamed: number

  constructor({ log, core, registryView, findings, mostNamed }: MetricsOptions) {
    this.#log = log
    this.#core = core
    this.#mostNamed = mostNamed
    const pushes = 'Pushes to the gateway that failed, by reason'
    const files = 'Fallback files that were not written, by the step that failed'
    const values = 'Registry values that were refused, by the field that was wrong'
    this.pushFailures = this.#counter('sluice_push_failures_total', pushes, 'reason')
    this.fallbackErrors = this.#counter('sluice_fallback_write_errors_total', files, 'step')
    this.rejected = this.#counter('sluice_rejected_registrations_total', values, 'rule')
    this.differences = new Counter({
      name: 'sluice_audit_differences_total',
      help: 'Values that were not served as the registry has them, found by comparison and mended',
      registers: [this.registry],
    })
    this.converge = new Histogram({
      name: 'sluice_converge_seconds',
      help: 'From a change being known to the controller to its being in the table',
      buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [this.registry],
    })
    this.#versions()
    this.#registry(registryView)
    this.#instances()
    this.#ejections()
    this.#gateway()
    this.#events()
    this.#certificates()
    this.#findings(findings)
  }

  #findings(findings: Pick<Findings, 'list'>): void {
    new Gauge({
      name: 'sluice_finding',
      help: 'What is wrong now, by code: how many there are of each; 0 for the rest',
      labelNames: ['code'],
      registers: [this.registry],
      collect() {
        Object.keys(CURES).forEach((code) => this.set({ code }, 0))
        findings.list().forEach(({ code }) => this.inc({ code }))
      },
    })
  }

  #counter<L extends string>(name: string, help: string, label: L): Counter<L> {
    return new Counter({ name, help, labelNames: [label], registers: [this.registry] })
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read())
      },
    })
  }

  #versions(): void {
    const { state, gateway } = this.#core
    new Gauge({
      name: 'sluice_table_version',
      help: 'Revision of the table, by where it is',
      labelNames: ['where'],
      registers: [this.registry],
      collect() {
        this.set({ where: 'registry' }, state.desired().revision)
        const { compiled, pushed } = gateway.figures()
        this.set({ where: 'controller' }, compiled)
        this.set({ where: 'nginx' }, pushed)
        this.set({ where: 'fallback' }, gateway.fallback.revision)
      },
    })
  }

  #registry(view: () => RegistryView): void {
    const core = this.#core
    this.#gauge('sluice_registry_connected', '1 while the registry can be reached', () =>
      view().connected ? 1 : 0,
    )
    this.#gauge(
      'sluice_registry_revision',
      'Revision that the registry is known to have',
      () => core.state.known,
    )
    this.#gauge(
      'sluice_last_sync_age_seconds',
      'Since the registry was last known to agree; -1 before the first time',
      () => {
        const { syncedAtMs } = view()
        return syncedAtMs === undefined ? -1 : Math.max(0, (Date.now() - syncedAtMs) / 1000)
      },
    )
    this.#gauge('sluice_suspect_instances', 'Lost instances that serve on', () =>
      core.suspects().reduce((sum, { instances }) => sum + instances.length, 0),
    )
    this.#gauge(
      'sluice_overruled_routes',
      'Hosts of routes that another route has',
      () => core.gateway.figures().overruled,
    )
  }

  /** Of the upstreams that are shown by name. */
  #namesOf({ upstreams }: Desired): Set<string> {
    return new Set([...upstreams.keys()].sort().slice(0, this.#mostNamed))
  }

  #instances(): void {
    const { state, gateway } = this.#core
    const { health } = gateway
    const namesOf = (desired: Desired) => this.#namesOf(desired)
    this.#gauge(
      'sluice_upstreams',
      'Upstreams that are known',
      () => state.desired().upstreams.size,
    )
    this.#gauge(
      'sluice_upstreams_unnamed',
      `Upstreams that are not shown by name but as ${OTHERS}: raise metrics-upstreams to see them`,
      () => Math.max(0, state.desired().upstreams.size - this.#mostNamed),
    )
    new Gauge({
      name: 'sluice_instances',
      help: `Instances by upstream and state; upstreams after the first ${this.#mostNamed} together`,
      labelNames: ['upstream', 'state'],
      registers: [this.registry],
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

  #ejections(): void {
    const { state, gateway } = this.#core
    const { health } = gateway
    const namesOf = (desired: Desired) => this.#namesOf(desired)
    new Gauge({
      name: 'sluice_ejected',
      help: `Ejected instances by upstream, where there are any; upstreams after the first ${this.#mostNamed} together`,
      labelNames: ['upstream'],
      registers: [this.registry],
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
      registers: [this.registry],
      collect() {
        this.reset()
        this.inc(health.ejections)
      },
    })
  }

  #certificates(): void {
    const core = this.#core
    const all = () => core.desired().certificates
    this.#gauge('sluice_certificates', 'Certificates of registry and folder', () => all().size)
    this.#gauge(
      'sluice_certificate_files_refused',
      'Files of the folder of certificates that are refused now',
      () => core.refusedFiles,
    )
    new Gauge({
      name: 'sluice_certificate_not_after_seconds',
      help: 'Unix time at which a certificate ends; of those that end first',
      labelNames: ['id'],
      registers: [this.registry],
      collect() {
        this.reset()
        for (const { id, notAfterAtMs } of soonest(all().values())) {
          this.set({ id }, notAfterAtMs / 1000)
        }
      },
    })
  }

  #gateway(): void {
    const { gateway } = this.#core
    this.#gauge('sluice_gateway_connected', '1 while the gateway takes pushes', () =>
      gateway.figures().isConnected ? 1 : 0,
    )
    this.#gauge(
      'sluice_dict_hung',
      '1 while the lock of the shared dict hangs: nginx must be stopped and started',
      () => (gateway.figures().isHung ? 1 : 0),
    )
    this.#gauge(
      'sluice_dict_full',
      '1 while the table is too small for what the registry says: the old one stays',
      () => (gateway.figures().isFull ? 1 : 0),
    )
    this.#gauge('sluice_gateway_workers', 'Workers of nginx', () => gateway.figures().workers)
    this.#gauge(
      'sluice_pool_members',
      'Peers that the pool surely has',
      () => gateway.figures().pooled,
    )
    this.#gauge(
      'sluice_dict_bytes_free',
      'Free whole pages of the table; -1 when unknown',
      () => gateway.figures().freeBytes ?? -1,
    )
  }

  #events(): void {
    const { gateway } = this.#core
    const log = this.#log
    new Counter({
      name: 'sluice_gateway_events_total',
      help: 'What happened to requests off the normal path, since nginx was started',
      labelNames: ['event'],
      registers: [this.registry],
      async collect() {
        try {
          const counted = await gateway.counters()
          this.reset()
          Object.entries(counted).forEach(([event, count]) => this.inc({ event }, count))
        } catch (error) {
          // The last numbers stay; sluice_gateway_connected shows why.
          log.debug({ error: messageOf(error) }, 'no counters')
        }
      },
    })
  }
}
