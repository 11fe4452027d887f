/** What Prometheus is shown. */
import { Counter, Gauge, Histogram, Registry as PromRegistry } from 'prom-client'
import type { Logger } from '../../runtime/logger.js'
import { soonest } from '../table/certificate-plan.js'
import type { DnsNameView, RegistryView, SourceView } from '../views.js'
import { CURES } from '../findings/codes.js'
import type { Findings } from '../findings/findings.js'
import type { Serving } from '../serving.js'
import { gaugesOf } from './gauge.js'
import { addSourceMetrics } from './source-metrics.js'
import { addGatewayMetrics } from './gateway-metrics.js'
import { addUpstreamMetrics } from './upstream-metrics.js'

export interface MetricsOptions {
  log: Logger
  serving: Serving
  registryView: () => RegistryView
  findings: Pick<Findings, 'list'>
  sources: () => SourceView[]
  /** How many upstreams are shown by name; the first by alphabet. */
  mostNamed: number
}

export class Metrics {
  /** prom-client's: `contentType` and `metrics()` are what `GET /metrics` needs. */
  readonly promRegistry = new PromRegistry()
  readonly pushFailures: Counter<'reason'>
  readonly fallbackErrors: Counter<'step'>
  readonly rejected: Counter<'rule'>
  /** Keys that were not served as the registry had them, and were mended. */
  readonly differences: Counter
  readonly converge: Histogram
  readonly #serving: Serving
  readonly #gauge = gaugesOf(this.promRegistry)

  constructor(options: MetricsOptions) {
    const { log, serving, registryView, findings, mostNamed } = options
    this.#serving = serving
    const pushes = 'Pushes to the gateway that failed, by reason'
    const files = 'Fallback files that were not written, by the step that failed'
    const values = 'Registry values that were refused, by the field that was wrong'
    this.pushFailures = this.#counter('sluice_push_failures_total', pushes, 'reason')
    this.fallbackErrors = this.#counter('sluice_fallback_write_errors_total', files, 'step')
    this.rejected = this.#counter('sluice_rejected_registrations_total', values, 'rule')
    this.differences = new Counter({
      name: 'sluice_audit_differences_total',
      help: 'Values that were not served as the registry has them, found by comparison and mended',
      registers: [this.promRegistry],
    })
    this.converge = new Histogram({
      name: 'sluice_converge_seconds',
      help: 'From a change being known to the controller to its being in the table',
      buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [this.promRegistry],
    })
    this.#versions()
    this.#registry(registryView)
    addUpstreamMetrics({ promRegistry: this.promRegistry, serving, mostNamed })
    addGatewayMetrics({ promRegistry: this.promRegistry, serving, log })
    addSourceMetrics(this.promRegistry, options.sources)
    this.#certificates()
    this.#findings(findings)
  }

  #findings(findings: Pick<Findings, 'list'>): void {
    new Gauge({
      name: 'sluice_finding',
      help: 'What is wrong now, by code: how many there are of each; 0 for the rest',
      labelNames: ['code'],
      registers: [this.promRegistry],
      collect() {
        Object.keys(CURES).forEach((code) => this.set({ code }, 0))
        findings.list().forEach(({ code }) => this.inc({ code }))
      },
    })
  }

  #counter<L extends string>(name: string, help: string, label: L): Counter<L> {
    return new Counter({ name, help, labelNames: [label], registers: [this.promRegistry] })
  }

  #versions(): void {
    const { state, gateway } = this.#serving
    new Gauge({
      name: 'sluice_table_version',
      help: 'Revision of the table, by where it is',
      labelNames: ['where'],
      registers: [this.promRegistry],
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
    const serving = this.#serving
    this.#gauge('sluice_registry_connected', '1 while the registry can be reached', () =>
      view().connected ? 1 : 0,
    )
    this.#gauge(
      'sluice_registry_revision',
      'Revision that the registry is known to have',
      () => serving.state.known,
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
      serving.suspects().reduce((sum, { instances }) => sum + instances.length, 0),
    )
    this.#gauge(
      'sluice_dns_names',
      'Questions to DNS that upstreams have instances from',
      () => this.#dnsNames().length,
    )
    this.#gauge(
      'sluice_dns_stale_seconds',
      'Since when the oldest of them that is not answered is not; 0 while all are',
      () => {
        const since = Math.min(...this.#dnsNames().map((one) => one.sinceAtMs ?? Infinity))
        return Math.max(0, (Date.now() - since) / 1000)
      },
    )
    this.#gauge(
      'sluice_overruled_routes',
      'Hosts of routes that another route has',
      () => serving.gateway.figures().overruled,
    )
  }

  /** Each question once. */
  #dnsNames(): DnsNameView[] {
    const all = [...this.#serving.dnsNames().values()].flat()
    return [...new Map(all.map((one) => [`${one.type} ${one.name}`, one])).values()]
  }

  #certificates(): void {
    const serving = this.#serving
    const all = () => serving.desired().certificates
    this.#gauge('sluice_certificates', 'Certificates of registry and folder', () => all().size)
    this.#gauge(
      'sluice_certificate_files_refused',
      'Files of the folder of certificates that are refused now',
      () => serving.refusedFiles,
    )
    new Gauge({
      name: 'sluice_certificate_not_after_seconds',
      help: 'Unix time at which a certificate ends; of those that end first',
      labelNames: ['id'],
      registers: [this.promRegistry],
      collect() {
        this.reset()
        for (const { id, notAfterAtMs } of soonest(all().values())) {
          this.set({ id }, notAfterAtMs / 1000)
        }
      },
    })
  }
}
