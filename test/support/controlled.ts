/** A real nginx, a real controller over a real registry, and its API. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startApi } from '../../controller/api/server.js'
import { Controller } from '../../controller/controller.js'
import { openEmbedded } from '../../registry/embedded/registry.js'
import type { Registry } from '../../registry/registry.js'
import { silentLogger } from '../../runtime/logger.js'
import type { Logger } from '../../runtime/logger.js'
import type { Settings } from '../../runtime/config/settings.js'
import { testSettings } from './control.js'
import { startGateway } from '../../lab/nginx/gateway.js'
import type { Gateway, GatewayOptions } from '../../lab/nginx/gateway.js'
import { httpCall } from './http-call.js'
import type { Called } from './http-call.js'
import { until } from '../../lab/until.js'

export interface Controlled {
  gateway: Gateway
  registry: Registry
  controller: Controller
  call: (method: string, path: string, body?: unknown) => Promise<Called>
  /** Ends the controller; `start` brings another one. */
  stop(): Promise<void>
  start(): Promise<void>
}

export interface ControlledOptions extends GatewayOptions {
  log?: Logger
  registry?: Registry
  settings?: Partial<Settings>
}

export async function startControlled(
  t: Parameters<typeof startGateway>[0],
  options: ControlledOptions,
): Promise<Controlled> {
  const { log = silentLogger } = options
  const gateway = await startGateway(t, options)
  await gateway.responder.stop()
  const settings = testSettings(gateway.home, {
    pool: gateway.pool ? 'auto' : 'off',
    ...{ poolPort: gateway.poolPort, httpPort: gateway.httpPort, httpsPort: gateway.httpsPort },
    ...options.settings,
  })
  const registry =
    options.registry ?? (await openEmbedded({ folder: join(gateway.home, 'registry'), log }))
  const socket = join(gateway.home, 'api.sock')
  let stop = async (): Promise<void> => undefined
  const self: Controlled = {
    gateway,
    registry,
    controller: await Controller.make({ settings, registry, log }),
    call: (method, path, body) => httpCall(`http://api${path}`, { method, body, socket }),
    stop: () => stop(),
    start: async () => {
      const controller = await Controller.make({ settings, registry, log })
      controller.start()
      const api = await startApi(controller, controller.metrics.promRegistry)
      self.controller = controller
      stop = async () => {
        stop = async () => undefined
        await api.close()
        await controller.close()
      }
      await until(() => controller.ready(), { what: 'the controller to be ready' })
    },
  }
  await self.start()
  t.teardown(async () => {
    await self.stop()
    if (options.registry === undefined) {
      await registry.close()
    }
  })
  return self
}

/** What a reload or a restart would change, the text of these files of the home too. */
export async function standing({ gateway }: Controlled, files: string[]): Promise<unknown> {
  const { pid, workers } = await gateway.state()
  const texts = files.map((name) => readFileSync(join(gateway.home, name), 'utf8'))
  return { pid, workers, texts }
}
