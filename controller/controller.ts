/**
 * The controller follows the registry, feeds what serves, and answers the API. It is the one
 * implementation of `Control`.
 */
import { printKey } from '../contract/keys.js'
import type { Registry } from '../registry/registry.js'
import type { Logger } from '../runtime/logger.js'
import type { Settings } from '../runtime/config/settings.js'
import { fetchedNginx, privateNginxIn } from '../runtime/private-nginx.js'
import { readTrustedCa } from '../runtime/trusted-ca.js'
import type { AppliedWait, ControllerForApi } from './controller-for-api.js'
import type {
  ControllerEvent,
  Finding,
  GatewayView,
  InFlight,
  RefusedView,
  RegistryView,
  StreamView,
  SuspectView,
} from './views.js'
import { ownAddresses } from './own-addresses.js'
import { ControllerEvents } from './controller-events.js'
import { Serving } from './serving.js'
import { RegistryFollower } from './registry-follower.js'
import { Agents } from './findings/agents.js'
import { factsOf } from './controller-facts.js'
import { Audit } from './state/audit.js'
import { Findings } from './findings/findings.js'
import { SOURCES } from './findings/sources.js'
import type { InstanceConditions } from './state/conditions.js'
import { SessionKey } from './state/session-key.js'
import type { Desired } from './state/desired.js'
import type { MakeChecks } from './health/active-checks.js'
import { makeChecker } from './health/make-checker.js'
import type { ConditionChange } from './health/condition-change.js'
import { OtherGateways } from './gateways/other-gateways.js'
import { loadGatewayId } from './gateways/gateway-id.js'
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
const DRAIN_POLL_MS = 1000
const AUDIT_MS = 60_000
/** How long a comparison waits for changes that are on their way. */
const AUDIT_WAIT_MS = 10_000
/** Of so many comparisons with the registry one also reads the whole table back. */
const TABLE_AUDITS = 10

export class Controller implements ControllerForApi {
  readonly settings: Settings
  readonly registry: Registry
  readonly log: Logger
  readonly gatewayId: string
  readonly metrics: Metrics
  readonly #ownAddresses: Set<string>
  readonly #serving: Serving
  readonly #others: OtherGateways
  readonly #gateways: GatewaySet
  readonly #publisher: Publisher
  readonly #agents = new Agents()
  readonly #sessionKey: SessionKey
  readonly #findings: Findings
  readonly #audit: Audit
  readonly #waits: GatewayWaits
  readonly #events: ControllerEvents
  readonly #follower: RegistryFollower
  #drainTimer: NodeJS.Timeout | undefined

  /** Rejects with `invalid` when the home's gateway id is none. */
  static async make(options: ControllerOptions): Promise<Controller> {
    return new Controller(options, await loadGatewayId(options.settings.home))
  }

  private constructor(options: ControllerOptions, id: string) {
    const { settings, registry, log, suspects } = options
    const trustedCa = readTrustedCa(settings.trustedCa)
    const addresses = ownAddresses(settings)
    const certificates = () => this.desired().certificates
    const makeChecks =
      options.makeChecks ?? makeChecker({ log, ownAddresses: addresses, trustedCa, certificates })
    this.settings = settings
    this.registry = registry
    this.log = log
    this.gatewayId = id
    this.#events = new ControllerEvents(log)
    this.#ownAddresses = addresses
    this.#sessionKey = new SessionKey({
      ...{ registry, log, isUsed: settings.mode !== 'file' },
      onChange: () => this.#serving.changed(),
    })
    this.#serving = this.#makeServing({ ...DEFAULT_SUSPECTS, ...suspects }, makeChecks)
    this.#others = new OtherGateways(id)
    const desired = () => this.desired()
    const refused = () => this.#refused()
    this.#gateways = new GatewaySet({
      ...{ id, ownGateway: this.#serving.gateway, others: this.#others, desired, refused },
      fetched: () => fetchedNginx(privateNginxIn(settings.home)),
    })
    const known = () => this.#serving.state.known
    this.#waits = new GatewayWaits({ registry, gateways: this.#gateways, known })
    this.#publisher = new Publisher({
      id,
      registry,
      log,
      read: () => this.#gateways.record(),
      debounceMs: () => (this.#gateways.isWatched ? PUBLISH_MS : PUBLISH_ALONE_MS),
    })
    this.#follower = this.#makeFollower()
    this.#findings = this.#makeFindings()
    this.#audit = this.#makeAudit(options.auditMs ?? AUDIT_MS)
    this.metrics = new Metrics({
      ...{ log, serving: this.#serving, findings: this.#findings },
      registryView: () => this.registryView(),
      mostNamed: settings.metricsUpstreams,
    })
  }

  /** Begins to follow the registry and to push. */
  start(): void {
    this.#serving.start()
    this.#follower.start()
    this.#publisher.start()
    this.#sessionKey.start()
    this.#findings.start()
    this.#audit.start()
    this.#drainTimer = setInterval(() => {
      if (this.#gateways.isWatched) {
        this.#publisher.wake()
      }
    }, DRAIN_POLL_MS)
  }

  /** nginx ends with this process: at {@link close} nobody need wait for this gateway any more. */
  leave(): void {
    this.#publisher.leave()
  }

  /** Ends the push and the writing that are under way. The registry stays open. */
  async close(): Promise<void> {
    clearInterval(this.#drainTimer)
    this.#findings.close()
    await this.#audit.close()
    await this.#follower.close()
    await Promise.all([this.#serving.close(), this.#publisher.close(), this.#sessionKey.close()])
  }

  desired(): Desired {
    return this.#serving.desired()
  }

  desiredOfTable(): Desired {
    return this.#serving.desiredOfTable()
  }

  conditionsOf(upstream: string): InstanceConditions {
    return this.#serving.gateway.health.conditionsOf(upstream)
  }

  sessionKey(): string | undefined {
    return this.#sessionKey.value
  }

  ready(): boolean {
    return this.#serving.isReady
  }

  registryView(): RegistryView {
    return this.#follower.view()
  }

  findings(): Finding[] {
    return this.#findings.list()
  }

  gateways(): GatewayView[] {
    return this.#gateways.views()
  }

  stream(): StreamView {
    return this.#serving.gateway.stream()
  }

  suspects(): SuspectView[] {
    return this.#serving.suspects()
  }

  confirmSuspects(upstream?: string): void {
    this.#serving.confirm(upstream)
  }

  whenKnown(revision: number, timeoutMs: number): Promise<void> {
    return this.#waits.whenKnown(revision, timeoutMs)
  }

  whenApplied(revision: number, timeoutMs: number, wait?: AppliedWait): Promise<GatewayView[]> {
    return this.#waits.whenApplied(revision, timeoutMs, wait)
  }

  active(upstream: string, ids: string[]): Promise<Array<number | undefined>> {
    return this.#gateways.active(upstream, ids)
  }

  activeByGateway(upstream: string, ids: string[]): Promise<InFlight[][]> {
    return this.#gateways.activeByGateway(upstream, ids)
  }

  forgetGateway(id: string): Promise<void> {
    return this.#waits.forget(id)
  }

  subscribe(listener: (event: ControllerEvent) => void): () => void {
    return this.#events.subscribe(listener)
  }

  ownAddresses(): ReadonlySet<string> {
    return this.#ownAddresses
  }

  #makeFollower(): RegistryFollower {
    return new RegistryFollower({
      ...{ registry: this.registry, address: this.settings.registry, log: this.log },
      ...{ serving: this.#serving, others: this.#others, agents: this.#agents },
      sessionKey: this.#sessionKey,
      recordKey: printKey({ kind: 'gateways', id: this.gatewayId }),
      onRecordMissing: () => this.#publisher.rewrite(),
      onGateways: (ids) => this.#onGateways(ids),
      onConnected: (connected, reason) =>
        this.#events.emitRegistry(connected, reason, this.desired().revision),
      onChange: () => this.#waits.look(),
    })
  }

  #makeAudit(auditMs: number): Audit {
    let audits = 0
    return new Audit({
      ...{ registry: this.registry, state: this.#serving.state, log: this.log, everyMs: auditMs },
      isDue: () => this.#follower.isConnected && this.#serving.state.listed,
      whenKnown: (revision) => this.whenKnown(revision, AUDIT_WAIT_MS),
      onCompared: (keys) => {
        this.metrics.differences.inc(keys.length)
        if (keys.length > 0) {
          this.#serving.changed()
          this.#waits.look()
        }
        if (++audits % TABLE_AUDITS === 0) {
          this.#serving.gateway.compare()
        }
      },
    })
  }

  #makeFindings(): Findings {
    const facts = factsOf(this, {
      ...{ serving: this.#serving, agents: this.#agents },
      refused: () => this.#refused(),
      publishProblem: () => this.#publisher.problem,
    })
    const onChange = (finding: Finding, state: 'begun' | 'ended') =>
      this.#events.emitFinding(finding, state, this.desired().revision)
    return new Findings({ facts, sources: SOURCES, log: this.log, onChange })
  }

  #makeServing(suspects: SuspectOptions, makeChecks: MakeChecks): Serving {
    return new Serving({
      settings: this.settings,
      log: this.log,
      suspects,
      ownAddresses: this.#ownAddresses,
      emit: (event) => this.#events.emit(event),
      onGateway: () => this.#onGateways([this.gatewayId]),
      onRejected: (rule) => this.metrics.rejected.inc({ rule }),
      onPushFailure: (reason) => this.metrics.pushFailures.inc({ reason }),
      onApplied: (lagMs) => this.metrics.converge.observe(lagMs / 1000),
      onFallbackError: (step) => this.metrics.fallbackErrors.inc({ step }),
      onConditions: (changes) => this.#onConditions(changes),
      makeChecks,
      sessionKey: () => this.#sessionKey.value,
    })
  }

  /** Values of the registry that are not served as they stand. */
  #refused(): RefusedView[] {
    return [...this.#serving.state.refused(), ...this.#sessionKey.refused()]
  }

  #onGateways(ids: string[]): void {
    if (ids.length === 0) {
      return
    }
    for (const { record } of this.#others.all().values()) {
      this.#serving.state.raise(record.applied)
    }
    this.#events.emitGateways(ids, this.gateways(), this.desired().revision)
    if (ids.includes(this.gatewayId)) {
      this.#publisher.wake()
    }
    this.#waits.look()
  }

  #onConditions(changes: ConditionChange[]): void {
    this.#events.emitConditions(changes, this.desired())
    this.#publisher.wake()
  }
}
