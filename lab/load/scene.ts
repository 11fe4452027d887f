/** The scene of a churn: upstreams, their instances and their routes. */
import { X509Certificate } from 'node:crypto'
import type { Policy } from '../../contract/record/policy.js'
import { makeAuthority } from '../engines/certificates.js'
import type { Pem } from '../engines/certificates.js'
import type { ClientLine, Ledgers } from './ledger.js'
import { startLoad } from './load.js'
import type { Load } from './load.js'
import { Backends } from './backends.js'
import { CertificateChurner, wronglyShown } from './certificates.js'
import type { Churner } from './churner.js'
import { InstanceChurner } from './instances.js'
import { seeded } from './random.js'
import type { Rig } from './rig.js'
import { RouteChurner } from './routes.js'
import { until } from '../until.js'

const UPSTREAMS = ['web', 'api', 'shop', 'auth']
/** It has the port for TCP, and is asked there alone. */
const TCP = 'db'
/** Its instances speak TLS, which is passed through to them by its name. */
const PASSED = 'vault'
const ALL = [...UPSTREAMS, TCP, PASSED]
const WILDCARD = '*.localhost'
/** Shown where there is no other. */
const DEFAULT = 'default.test'

/** By name, several of each but the default and what the instances have themselves. */
export type SceneCertificates = Map<string, Pem[]>

export async function makeSceneCertificates(folder: string): Promise<SceneCertificates> {
  const authority = await makeAuthority(folder)
  const made: SceneCertificates = new Map()
  for (const name of [...UPSTREAMS.map((each) => `${each}.localhost`), WILDCARD]) {
    made.set(name, [await authority.issue([name]), await authority.issue([name])])
  }
  made.set(PASSED, [await authority.issue([`${PASSED}.localhost`])])
  return made.set(DEFAULT, [await authority.issue([DEFAULT])])
}

export interface SceneOptions {
  rig: Rig
  folder: string
  seed: number
  /**
   * Of the four upstreams that are asked by HTTP, then of the one for TCP, then of the one for TLS
   * that is passed through.
   */
  policies: Policy[]
  certificates: SceneCertificates
}

/**
 * Instances, routes and certificates that come and go, and clients who ask for them by HTTP, TCP
 * and TLS.
 */
export class Scene {
  readonly #backends: Backends
  readonly #options: SceneOptions
  readonly #loads: Load[] = []
  readonly instances: InstanceChurner[]
  readonly routes: RouteChurner[]
  readonly #certificates: Map<string, CertificateChurner>

  constructor(options: SceneOptions) {
    const { rig, folder, seed, certificates } = options
    this.#options = options
    this.#backends = new Backends(folder, 'churn')
    const [random, backends] = [seeded(seed), this.#backends]
    this.instances = ALL.map((upstream, network) => {
      const pem = certificates.get(upstream)?.[0]
      return new InstanceChurner({ rig, backends, upstream, network, slots: 6, random, pem })
    })
    const hosts = UPSTREAMS.map((upstream, i) => ({
      upstream,
      decoy: UPSTREAMS[(i + 1) % 4] ?? '',
    }))
    const port = { upstream: TCP, decoy: 'web', match: { port: rig.streamPort, protocol: 'tcp' } }
    const name = { upstream: PASSED, decoy: 'web', match: { sni: [`${PASSED}.localhost`] } }
    this.routes = [...hosts, port, name].map((each) => new RouteChurner({ rig, random, ...each }))
    this.#certificates = new Map(
      [...certificates]
        .filter(([name]) => name !== PASSED)
        .map(([name, pems]) => {
          const id = name.replace('*', 'wildcard').replaceAll('.', '-')
          return [name, new CertificateChurner({ rig, id, certificates: pems, random })]
        }),
    )
  }

  /** Until all of it can be asked for, and is. */
  async begin(): Promise<void> {
    const { rig, policies, certificates } = this.#options
    for (const [i, upstream] of ALL.entries()) {
      await rig.change('PUT', `/v1/upstreams/${upstream}`, { policy: policies[i] })
    }
    await Promise.all(this.instances.map((churner) => churner.begin()))
    for (const route of this.routes.slice(UPSTREAMS.length)) {
      await route.put()
    }
    const [pem] = certificates.get(DEFAULT) ?? []
    await this.#certificates.get(DEFAULT)?.put(pem, { default: true })
    this.#startLoads()
  }

  #startLoads(): void {
    const { rig, folder, seed } = this.#options
    const [host, few] = ['127.0.0.1', { workers: 3, thinkMs: 5 }]
    const [http, tcp, tls] = [rig.httpPort, rig.streamPort, rig.httpsPort].map((port) => {
      return { host, port }
    })
    if (!http || !tcp || !tls) {
      throw new Error('there are three')
    }
    const byTcp = { target: tcp, upstreams: [TCP], connections: 'each' as const, seed: seed + 1 }
    const names = [...UPSTREAMS, PASSED]
    const byTls = { target: tls, upstreams: names, connections: 'tls' as const, seed: seed + 2 }
    this.#loads.push(
      startLoad(folder, { target: http, upstreams: UPSTREAMS, seed }),
      startLoad(folder, { ...byTcp, ...few, slowPart: 0.2 }),
      // A handshake that may be long over makes it uncertain what was to be shown in it.
      startLoad(folder, { ...byTls, ...few, slowPart: 0 }),
    )
  }

  /** All certificates but the default. */
  get renewed(): CertificateChurner[] {
    return [...this.#certificates]
      .filter(([name]) => name !== DEFAULT)
      .map(([, churner]) => churner)
  }

  get churners(): Churner[] {
    return [...this.instances, ...this.routes, ...this.renewed]
  }

  /** Resolves when each kind of client has asked so often, and all together so often. */
  async whenAsked(ofEachKind: number, inAll: number): Promise<void> {
    const enough = async () => {
      const reports = await Promise.all(this.#loads.map((load) => load.count()))
      const counts = reports.map(({ requests }) => requests)
      return Math.min(...counts) >= ofEachKind && counts.reduce((a, b) => a + b) >= inAll
    }
    await until(enough, { deadlineMs: 60_000, intervalMs: 100, what: 'enough requests' })
  }

  /** Ends the clients; the answer is what each kind of them saw: HTTP, TCP, TLS. */
  async stopClients(): Promise<ClientLine[][]> {
    return Promise.all(this.#loads.map(async (load) => (await load.stop()).lines))
  }

  ledgers(client: ClientLine[], least: Ledgers['least']): Ledgers {
    const windows = this.instances.flatMap((churner) => churner.windows)
    return { client, backends: this.#backends.lines(), windows, least }
  }

  /** Handshakes with a certificate that was not to be shown then. */
  wronglyShown(client: ClientLine[]): ClientLine[] {
    const windowsOf = (name: string) => this.#certificates.get(name)?.windows ?? []
    const own = this.#options.certificates.get(PASSED)?.[0]?.certificate ?? ''
    const passed = [{ fingerprint: new X509Certificate(own).fingerprint256, fromMs: 0 }]
    return wronglyShown(client, (asked) => {
      if (asked === PASSED) {
        return [passed]
      }
      return [`${asked}.localhost`, WILDCARD, DEFAULT].map(windowsOf)
    })
  }

  async kill(): Promise<void> {
    await Promise.all([this.#backends, ...this.#loads].map((each) => each.kill()))
  }
}
