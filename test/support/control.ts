/**
 * A controller without nginx: the real state over the real embedded registry, and gateways that a
 * test may invent.
 */
import { DEFAULT_DIALECTS } from '../../agent/labels/dialect.js'
import { join } from 'node:path'
import { isOwnAddress } from '../../controller/own-addresses.js'
import type { InstanceConditions } from '../../controller/state/conditions.js'
import type { ControllerForApi } from '../../controller/controller-for-api.js'
import type { Finding, ControllerEvent, LanesView } from '../../controller/views.js'
import type { GatewayView } from '../../controller/views.js'
import { KnownUpstreams } from '../../controller/state/known-upstreams.js'
import { State } from '../../controller/state/state.js'
import { DEFAULT_SUSPECTS } from '../../controller/state/suspects.js'
import { openEmbedded } from '../../registry/embedded/registry.js'
import type { Registry } from '../../registry/registry.js'
import { SluiceError } from '../../runtime/errors.js'
import { silentLogger } from '../../runtime/logger.js'
import type { Logger } from '../../runtime/logger.js'
import type { Settings } from '../../runtime/config/settings.js'
import { until } from '../../lab/until.js'

export function testSettings(home: string, given: Partial<Settings> = {}): Settings {
  return {
    home,
    httpPort: 8080,
    streamPorts: '',
    proxyProtocolPorts: '',
    trustedProxies: [],
    rawPaths: false,
    accessLog: true,
    tlsCiphers: 'ECDHE+AESGCM',
    tunedPorts: '',
    httpsPort: 0,
    passthrough: true,
    http3: false,
    certificates: undefined,
    bind: '127.0.0.1',
    apiPort: 0,
    apiBind: '127.0.0.1',
    apiTls: undefined,
    apiToken: undefined,
    registry: 'embedded',
    cluster: 'main',
    etcd: {
      username: undefined,
      password: undefined,
      ca: undefined,
      certificate: undefined,
      key: undefined,
    },
    docker: 'off',
    domains: ['localhost'],
    zone: undefined,
    workers: 1,
    user: undefined,
    maxBodyBytes: 100 << 20,
    connections: 8192,
    grpcIdleMs: 3_600_000,
    tcpIdleMs: 600_000,
    nginx: undefined,
    mode: 'gateway',
    compiled: 'auto',
    lanes: 256,
    tableBytes: 1 << 20,
    pool: 'off',
    engine: 'njs',
    poolPort: 0,
    resolvers: [],
    serviceDns: { addresses: [], zone: 'sluice' },
    knownForMs: 600_000,
    metricsUpstreams: 200,
    trustedCa: undefined,
    allowLoopback: true,
    file: {
      directory: undefined,
      listen: undefined,
      reloadCommand: undefined,
      pidFile: undefined,
      access: {},
      minIntervalMs: 1000,
      onetime: false,
    },
    agent: {
      id: 'test',
      address: undefined,
      networks: [],
      labels: { hosts: undefined, upstreams: undefined },
      dialects: DEFAULT_DIALECTS,
      ttlMs: 15_000,
      token: undefined,
    },
    logLevel: 'silent',
    ...given,
  }
}

const NONE: InstanceConditions = new Map()

export interface TestControl extends ControllerForApi {
  /** Gateways as the test wants them seen; none at first, so that everything is applied at once. */
  readonly gatewayViews: GatewayView[]
  /** What is wrong now. */
  readonly foundNow: Finding[]
  /**
   * In-flight requests by `<upstream>/<id>`; undefined: the gateway does not know. 0 when not set.
   */
  readonly inFlight: Map<string, number | undefined>
  /** What nginx chooses by itself; nothing at first. */
  readonly lanesView: { current: LanesView | undefined }
  /** How often it was asked what is in flight to an instance. */
  readonly asked: number
  /** By upstream; none at first. */
  readonly conditions: Map<string, InstanceConditions>
  /** The registry's answers stop coming in (or come again). */
  deaf(deaf: boolean): void
  close(): Promise<void>
}

/** By which its cookies name instances. */
export const SESSION_KEY = '5'.repeat(64)

interface ControlOptions {
  settings?: Partial<Settings>
  log?: Logger
  /** In place of the embedded one. */
  registry?: Registry
  ready?: () => boolean
}

export async function startControl(
  home: string,
  options: ControlOptions = {},
): Promise<TestControl> {
  const settings = testSettings(home, options.settings)
  const log = options.log ?? silentLogger
  const registry = options.registry ?? (await openEmbedded({ folder: join(home, 'registry'), log }))
  const listeners = new Set<(event: ControllerEvent) => void>()
  const own = new Set([`127.0.0.1:${settings.httpPort}`])
  const state = new State({
    policy: settings,
    isOwn: (host, port) => isOwnAddress(own, host, port),
    log,
    onRejected: () => undefined,
    suspects: DEFAULT_SUSPECTS,
    onEvent: (event) => listeners.forEach((listener) => listener(event)),
    onBelieved: () => undefined,
  })
  const known = new KnownUpstreams({
    ...{ path: join(home, 'known-upstreams.json'), forMs: 600_000, log },
    onChange: () => undefined,
  })
  let isDeaf = false
  const waiting: Array<() => void> = []
  const hear = (take: () => void) => (isDeaf ? void waiting.push(take) : take())
  const watch = registry.watch(
    ['upstreams/', 'instances/', 'overrides/', 'routes/', 'certificates/'],
    {
      onListing: (listing, restored) => hear(() => state.onListing(listing, restored)),
      onChanges: (changes, revision) => hear(() => state.onChanges(changes, revision)),
      onConnected: (connected) => state.setConnected(connected),
    },
  )
  await until(() => state.listed)
  const gatewayViews: GatewayView[] = []
  const foundNow: Finding[] = []
  const inFlight = new Map<string, number | undefined>()
  const lanesView: TestControl['lanesView'] = { current: undefined }
  let asked = 0
  const conditions = new Map<string, InstanceConditions>()
  const behind = (revision: number) => gatewayViews.filter(({ applied }) => applied < revision)
  return {
    settings,
    registry,
    log,
    gatewayId: 'here',
    gatewayViews,
    inFlight,
    lanesView,
    desired: () => state.desired(),
    desiredOfTable: () => {
      known.follow(state.desired())
      return known.join(state.desired())
    },
    conditions,
    conditionsOf: (upstream) => conditions.get(upstream) ?? NONE,
    dnsNamesOf: () => [],
    sessionKey: () => SESSION_KEY,
    ready: options.ready ?? (() => true),
    registryView: () => ({ kind: 'embedded', connected: !isDeaf, syncedAtMs: Date.now() }),
    findings: () => foundNow,
    foundNow,
    gateways: () => gatewayViews,
    stream: () => ({ ports: '9100-9109', tuned: '9105-9109', passthrough: true, connected: true }),
    sources: () => [],
    lanes: () => lanesView.current,
    suspects: () => state.suspects(),
    confirmSuspects: (upstream) => state.confirm(upstream),
    whenKnown: async (revision, timeoutMs) => {
      if (state.known >= revision) {
        return
      }
      await until(() => state.known >= revision, { deadlineMs: timeoutMs, intervalMs: 2 }).catch(
        () => {
          throw new SluiceError('registry_unavailable', 'not heard of yet')
        },
      )
    },
    whenApplied: async (revision, timeoutMs, { signal } = {}) => {
      if (behind(revision).length > 0 && timeoutMs > 0) {
        const wait = { deadlineMs: timeoutMs, intervalMs: 5 }
        const isOver = () => behind(revision).length === 0 || signal?.aborted === true
        await until(isOver, wait).catch(() => undefined)
      }
      return behind(revision)
    },
    active: async (upstream, ids) =>
      ids.map((id) => (inFlight.has(`${upstream}/${id}`) ? inFlight.get(`${upstream}/${id}`) : 0)),
    activeByGateway: async (upstream, ids) => {
      asked++
      return ids.map((id) => {
        const key = `${upstream}/${id}`
        return [{ gateway: 'here', active: inFlight.has(key) ? inFlight.get(key) : 0 }]
      })
    },
    get asked() {
      return asked
    },
    forgetGateway: () => Promise.resolve(),
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    ownAddresses: () => own,
    deaf: (deaf) => {
      isDeaf = deaf
      if (!deaf) {
        waiting.splice(0).forEach((take) => take())
      }
    },
    close: async () => {
      await watch.close()
      known.close()
      state.close()
      await registry.close()
    },
  }
}
