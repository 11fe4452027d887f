/**
 * The parts of a controller: how each is made, and who is notified of what. The order in which they
 * start and end, and what they answer together, is in controller.ts.
 */
import { printKey } from '../contract/keys.js'
import type { Registry } from '../registry/registry.js'
import type { Logger } from '../runtime/logger.js'
import type { Settings } from '../runtime/config/settings.js'
import { fetchedNginx, privateNginxIn } from '../runtime/private-nginx.js'
import { readTrustedCa } from '../runtime/trusted-ca.js'
import type { Finding, RefusedView } from './views.js'
import { ownAddresses } from './own-addresses.js'
import { ControllerEvents } from './controller-events.js'
import { Serving } from './serving.js'
import { RegistryFollower } from './registry-follower.js'
import { Agents } from './findings/agents.js'
import { factsOf } from './controller-facts.js'
import { Audit } from './state/audit.js'
import { Findings } from './findings/findings.js'
import { SOURCES } from './findings/sources.js'
import { SessionKey } from './state/session-key.js'
import type { MakeChecks } from './health/active-checks.js'
import { makeChecker } from './health/make-checker.js'
import type { ConditionChange } from './health/condition-change.js'
import { OtherGateways } from './gateways/other-gateways.js'
import { GatewaySet } from './gateways/gateway-set.js'
import { GatewayWaits } from './gateways/gateway-waits.js'
import { Metrics } from './metrics/metrics.js'
import { Publisher } from './gateways/publisher.js'
import { DEFAULT_SUSPECTS } from './state/suspects.js'
import type { SuspectOptions } from './state/suspects.js'

export interface ControllerOptions {
  settings: Settings
  registry: Registry
  log: Logger
  suspects?: Partial<SuspectOptions>
  /** Between comparisons of what is served with the registry; a minute. */
  auditMs?: number
  /** Others than the real ones, for tests. */
  makeChecks?: MakeChecks
}

/** Short, while callers of other controllers may wait for what is published. */
const PUBLISH_MS = 50
const PUBLISH_ALONE_MS = 1000
const AUDIT_MS = 60_000
/** How long a comparison waits for changes that are on their way. */
const AUDIT_WAIT_MS = 10_000
/** Of so many comparisons with the registry one also reads the whole table back. */
const TABLE_AUDITS = 10

export class ControllerParts {
  readonly events: ControllerEvents
  readonly ownAddresses: ReadonlySet<string>
  readonly sessionKey: SessionKey
  readonly serving: Serving
  readonly others: OtherGateways
  readonly gateways: GatewaySet
  readonly waits: GatewayWaits
  readonly publisher: Publisher
  readonly agents = new Agents()
  readonly follower: RegistryFollower
  readonly findings: Findings
  readonly audit: Audit
  readonly metrics: Metrics
  readonly #options: ControllerOptions
  readonly #gatewayId: string

  constructor(options: ControllerOptions, gatewayId: string) {
    this.#options = options
    this.#gatewayId = gatewayId
    this.events = new ControllerEvents(options.log)
    this.ownAddresses = ownAddresses(options.settings)
    this.sessionKey = this.#makeSessionKey()
    this.serving = this.#makeServing()
    this.others = new OtherGateways(gatewayId)
    this.gateways = this.#makeGateways()
    this.waits = this.#makeWaits()
    this.publisher = this.#makePublisher()
    this.follower = this.#makeFollower()
    this.findings = this.#makeFindings()
    this.audit = this.#makeAudit()
    this.metrics = this.#makeMetrics()
  }

  #makeSessionKey(): SessionKey {
    const { settings, registry, log } = this.#options
    return new SessionKey({
      ...{ registry, log, isUsed: settings.mode !== 'file' },
      onChange: () => this.serving.changed(),
    })
  }

  #makeServing(): Serving {
    const { settings, log, suspects } = this.#options
    return new Serving({
      ...{ settings, log, ownAddresses: this.ownAddresses },
      suspects: { ...DEFAULT_SUSPECTS, ...suspects },
      emit: (event) => this.events.emit(event),
      onGateway: () => this.#onGateways([this.#gatewayId]),
      onRejected: (rule) => this.metrics.rejected.inc({ rule }),
      onPushFailure: (reason) => this.metrics.pushFailures.inc({ reason }),
      onApplied: (lagMs) => this.metrics.converge.observe(lagMs / 1000),
      onFallbackError: (step) => this.metrics.fallbackErrors.inc({ step }),
      onConditions: (changes) => this.#onConditions(changes),
      makeChecks: this.#options.makeChecks ?? this.#makeChecker(),
      sessionKey: () => this.sessionKey.value,
    })
  }

  #makeChecker(): MakeChecks {
    const { settings, log } = this.#options
    const trustedCa = readTrustedCa(settings.trustedCa)
    const certificates = () => this.serving.desired().certificates
    return makeChecker({ log, ownAddresses: this.ownAddresses, trustedCa, certificates })
  }

  #makeGateways(): GatewaySet {
    const { serving, others } = this
    return new GatewaySet({
      ...{ id: this.#gatewayId, ownGateway: serving.gateway, others },
      desired: () => serving.desired(),
      refused: () => this.#refused(),
      fetched: () => fetchedNginx(privateNginxIn(this.#options.settings.home)),
    })
  }

  #makeWaits(): GatewayWaits {
    const { registry } = this.#options
    const known = () => this.serving.state.known
    return new GatewayWaits({ registry, gateways: this.gateways, known })
  }

  #makePublisher(): Publisher {
    const { registry, log } = this.#options
    return new Publisher({
      ...{ id: this.#gatewayId, registry, log },
      read: () => this.gateways.record(),
      debounceMs: () => (this.gateways.isWatched ? PUBLISH_MS : PUBLISH_ALONE_MS),
    })
  }

  #makeFollower(): RegistryFollower {
    const { registry, settings, log } = this.#options
    const { serving, others, agents, sessionKey } = this
    return new RegistryFollower({
      ...{ registry, address: settings.registry, log, serving, others, agents, sessionKey },
      recordKey: printKey({ kind: 'gateways', id: this.#gatewayId }),
      onRecordMissing: () => this.publisher.rewrite(),
      onGateways: (ids) => this.#onGateways(ids),
      onConnected: (connected, reason) =>
        this.events.emitRegistry(connected, reason, this.#revision),
      onChange: () => this.waits.look(),
    })
  }

  #makeFindings(): Findings {
    const { registry, settings, log } = this.#options
    const { serving, agents, gateways, follower } = this
    const facts = factsOf({
      ...{ registry, settings, gatewayId: this.#gatewayId, serving, agents, gateways, follower },
      refused: () => this.#refused(),
      publishProblem: () => this.publisher.problem,
    })
    const onChange = (finding: Finding, state: 'begun' | 'ended') =>
      this.events.emitFinding(finding, state, this.#revision)
    return new Findings({ facts, sources: SOURCES, log, onChange })
  }

  #makeAudit(): Audit {
    const { registry, log, auditMs = AUDIT_MS } = this.#options
    let audits = 0
    return new Audit({
      ...{ registry, state: this.serving.state, log, everyMs: auditMs },
      isDue: () => this.follower.isConnected && this.serving.state.listed,
      whenKnown: (revision) => this.waits.whenKnown(revision, AUDIT_WAIT_MS),
      onCompared: (keys) => {
        this.metrics.differences.inc(keys.length)
        if (keys.length > 0) {
          this.serving.changed()
          this.waits.look()
        }
        if (++audits % TABLE_AUDITS === 0) {
          this.serving.gateway.compare()
        }
      },
    })
  }

  #makeMetrics(): Metrics {
    const { settings, log } = this.#options
    return new Metrics({
      ...{ log, serving: this.serving, findings: this.findings },
      sources: () => this.agents.sources(),
      registryView: () => this.follower.view(),
      mostNamed: settings.metricsUpstreams,
    })
  }

  get #revision(): number {
    return this.serving.desired().revision
  }

  /** Values of the registry that are not served as they stand. */
  #refused(): RefusedView[] {
    return [...this.serving.state.refused(), ...this.sessionKey.refused()]
  }

  #onGateways(ids: string[]): void {
    if (ids.length === 0) {
      return
    }
    for (const { record } of this.others.all().values()) {
      this.serving.state.raise(record.applied)
    }
    this.events.emitGateways(ids, this.gateways.views(), this.#revision)
    if (ids.includes(this.#gatewayId)) {
      this.publisher.wake()
    }
    this.waits.look()
  }

  #onConditions(changes: ConditionChange[]): void {
    this.events.emitConditions(changes, this.serving.desired())
    this.publisher.wake()
  }
}
