/** A gateway of connections with its controller, over the embedded registry. */
import { join } from 'node:path'
import { Controller } from '../../controller/controller.js'
import { openEmbedded } from '../../registry/embedded/registry.js'
import type { RegistryOperation } from '../../registry/registry.js'
import { silentLogger } from '../../runtime/logger.js'
import { applied } from './applied.js'
import { testSettings } from './control.js'
import { startGateway } from '../../lab/nginx/gateway.js'
import type { Gateway, GatewayKind } from '../../lab/nginx/gateway.js'
import { freePort } from '../../lab/ports.js'
import type { StreamBackend } from '../../lab/backends/stream-backend.js'
import { until } from '../../lab/until.js'

const log = silentLogger

export interface StreamSetUp {
  gateway: Gateway
  controller: Controller
  ports: number[]
  /** Writes, and waits until nginx has it. */
  commit: (...operations: RegistryOperation[]) => Promise<void>
}

/** A gateway with two ports for connections, and its controller. */
export async function setUpStream(
  t: Parameters<typeof startGateway>[0],
  kind: GatewayKind,
): Promise<StreamSetUp> {
  const ports = [await freePort(), await freePort()]
  const streamPorts = ports.join(' ')
  const gateway = await startGateway(t, { kind, streamPorts })
  await gateway.responder.stop()
  const settings = testSettings(gateway.home, {
    streamPorts,
    pool: gateway.pool ? 'auto' : 'off',
    poolPort: gateway.poolPort,
    httpPort: gateway.httpPort,
  })
  const registry = await openEmbedded({ folder: join(gateway.home, 'registry'), log })
  const controller = await Controller.make({ settings, registry, log })
  controller.start()
  t.teardown(async () => {
    await controller.close()
    await registry.close()
  })
  // Before both links are there, nobody is waited for.
  await until(() => controller.ready(), { what: 'the controller to be ready' })
  await until(() => controller.stream().connected, { what: 'the link to stream{}' })
  return {
    gateway,
    controller,
    ports,
    commit: async (...operations) =>
      applied(controller, (await registry.commit(operations)).revision),
  }
}

export function put(key: string, value: object): RegistryOperation {
  return { type: 'put', key, value: JSON.stringify(value) }
}

export function instance(upstream: string, { id, host, port }: StreamBackend, more?: object) {
  return put(`instances/${upstream}/${id}`, { host, port, ...more })
}

export function drain(upstream: string, { id }: StreamBackend): RegistryOperation {
  return put(`overrides/${upstream}/${id}`, { drain: true, atMs: 1 })
}
