/** The registries that the conformance suite asks. */
import type { AddressInfo } from 'node:net'
import fastify from 'fastify'
import { sendProblem } from '../../controller/api/http/errors.js'
import { registryRoutes } from '../../controller/api/agents/endpoints.js'
import { openEmbedded } from '../../registry/embedded/registry.js'
import { openEtcd } from '../../registry/etcd/registry.js'
import { openHttp } from '../../registry/http/registry.js'
import type { Registry } from '../../registry/registry.js'
import { SluiceError } from '../../runtime/errors.js'
import { silentLogger as log } from '../../runtime/logger.js'
import type { EtcdSettings } from '../../runtime/config/settings.js'
import { startEtcd } from '../../lab/engines/etcd.js'
import { TcpProxy } from './tcp-proxy.js'
import { makeTemporaryFolder, removeFolder } from '../../lab/temp.js'

/** One adapter under test, with what stands behind it. */
export interface Subject {
  registry: Registry
  /**
   * Takes away what is behind it while `during` runs. Absent: nothing is behind it that could go.
   */
  interrupt?: (during: () => Promise<void>) => Promise<void>
  stop(): Promise<void>
}

export interface Kind {
  name: string
  /** Whether a delete says that it was an expiry. */
  marksExpiry: boolean
  start(): Promise<Subject>
}

export const noEtcdSettings: EtcdSettings = {
  username: undefined,
  password: undefined,
  ca: undefined,
  certificate: undefined,
  key: undefined,
}

/** An instance record, as it stands in the registry; `n` tells one from another. */
export function value(n: number): string {
  return JSON.stringify({ host: '10.0.0.1', port: n, weight: 1, state: 'up' })
}

export const TOKEN = 'a-token-for-tests'

/** A server of the registry's routes, as a controller would have it. */
export async function serveRegistry(registry: Registry, port = 0, isConfined = false) {
  const app = fastify({ forceCloseConnections: true })
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, log))
  await app.register(registryRoutes, {
    registry,
    log,
    addresses: { allowLoopback: true },
    isConfined,
    authorize: ({ headers }) => {
      if (headers.authorization !== `Bearer ${TOKEN}`) {
        throw new SluiceError('unauthorized', 'no')
      }
    },
  })
  await app.listen({ host: '127.0.0.1', port })
  return { app, port: (app.server.address() as AddressInfo).port }
}

async function interruptBy(proxy: TcpProxy, during: () => Promise<void>): Promise<void> {
  proxy.cut()
  try {
    await during()
  } finally {
    proxy.heal()
  }
}

async function startEmbedded(): Promise<Subject> {
  const folder = makeTemporaryFolder('registry')
  const registry = await openEmbedded({ folder: `${folder}/registry`, log })
  const stop = async () => {
    await registry.close()
    removeFolder(folder)
  }
  return { registry, stop }
}

async function startBehindEtcd(): Promise<Subject> {
  const etcd = await startEtcd()
  const proxy = await TcpProxy.start(etcd.clientPort)
  const url = `etcd://127.0.0.1:${proxy.port}`
  const registry = openEtcd({ url, cluster: 'main', settings: noEtcdSettings, log })
  const stop = async () => {
    await registry.close()
    await proxy.stop()
    await etcd.stop()
  }
  return { registry, interrupt: (during) => interruptBy(proxy, during), stop }
}

async function startBehindHttp(): Promise<Subject> {
  const embedded = await startEmbedded()
  const { app, port } = await serveRegistry(embedded.registry)
  const proxy = await TcpProxy.start(port)
  const registry = openHttp({ url: `http://127.0.0.1:${proxy.port}`, token: TOKEN, log })
  const stop = async () => {
    await registry.close()
    await app.close()
    await proxy.stop()
    await embedded.stop()
  }
  return { registry, interrupt: (during) => interruptBy(proxy, during), stop }
}

export const kinds: Kind[] = [
  { name: 'embedded', marksExpiry: true, start: startEmbedded },
  { name: 'etcd', marksExpiry: false, start: startBehindEtcd },
  { name: 'http', marksExpiry: true, start: startBehindHttp },
]
