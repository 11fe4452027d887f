/** A real nginx with gates, a controller, and what a test does with the two. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { Controller } from '../../controller/controller.js'
import type { Backend } from '../../lab/backends/backend.js'
import { startGateway } from '../../lab/nginx/gateway.js'
import { until } from '../../lab/until.js'
import { openEmbedded } from '../../registry/embedded/registry.js'
import type { RegistryOperation } from '../../registry/registry.js'
import { silentLogger as log } from '../../runtime/logger.js'
import { applied } from './applied.js'
import { testSettings } from './control.js'

type Test = Parameters<typeof startGateway>[0]
type GatewayOptions = Parameters<typeof startGateway>[1]

export const put = (key: string, record: object): RegistryOperation => {
  return { type: 'put', key, value: JSON.stringify(record) }
}
export const remove = (key: string): RegistryOperation => ({ type: 'delete', key })
export const at = ({ host, port }: Backend, more: object = {}): object => ({ host, port, ...more })

/** How many of a backend's requests nginx itself sent there: the table names whom it picked. */
export function compiledOf({ ledger }: Backend): number {
  const picks = ledger.map(({ headers }) => String(headers['x-sluice-pick']))
  return picks.filter((pick) => !pick.trim().includes(' ')).length
}

export interface CompiledOptions extends Omit<GatewayOptions, 'compiled'> {
  /** Where the controller answers nginx's questions, when something stands between the two. */
  answersAt?: number
}

export async function startCompiled(t: Test, { answersAt, ...options }: CompiledOptions) {
  const gateway = await startGateway(t, { ...options, compiled: true })
  await gateway.responder.stop()
  const { home, httpPort } = gateway
  const poolPort = answersAt ?? gateway.poolPort
  const settings = testSettings(home, { pool: 'auto', poolPort, httpPort })
  const registry = await openEmbedded({ folder: join(home, 'registry'), log })
  const controller = await Controller.make({ settings, registry, log })
  controller.start()
  await until(() => controller.ready(), { what: 'the controller to be ready' })
  const agent = new Agent({ keepAlive: true, maxSockets: 24 })
  t.teardown(async () => {
    agent.destroy()
    await controller.close()
    await registry.close()
  })
  const change = async (...operations: RegistryOperation[]): Promise<void> =>
    applied(controller, (await registry.commit(operations)).revision)
  const gates = (): string[] => readdirSync(join(home, 'gates')).sort()
  /** Waits until these hosts and upstreams are left to nginx. */
  const isOpen = (count: number, deadlineMs = 20_000): Promise<unknown> =>
    until(() => gates().length === count, { deadlineMs, what: `${count} open gates` })
  /** nginx is given the lanes that there are now. */
  const compile = async (count: number): Promise<void> => {
    const file = (name: string): string => join(home, 'compiled/now', `${name}.conf`)
    const hosts = () =>
      existsSync(file('server'))
        ? readFileSync(file('server'), 'utf8').split('location "@').length - 1
        : 0
    await until(() => hosts() === count, { what: 'the configuration of lanes' })
    if (answersAt !== undefined) {
      const http = readFileSync(file('http'), 'utf8')
      const asked = http.replaceAll(`127.0.0.1:${answersAt} `, `127.0.0.1:${gateway.poolPort} `)
      writeFileSync(file('http'), asked)
    }
    await gateway.reload()
  }
  /** Who answers so many requests over kept connections, one in ten with a body. */
  const served = async (host: string, path = '/', port = gateway.httpPort, requests = 200) => {
    const counts: Record<string, number> = {}
    const one = async (i: number): Promise<void> => {
      const post = i % 10 === 0 ? { method: 'POST', body: 'x'.repeat(3000) } : {}
      const answer = await gateway.ask({ ...{ agent, host, path, port }, ...post })
      const who = answer.status === 200 ? (answer.json as { id: string }).id : `${answer.status}`
      counts[who] = (counts[who] ?? 0) + 1
    }
    await Promise.all(Array.from({ length: requests }, (_, i) => one(i)))
    return counts
  }
  return { gateway, controller, change, gates, isOpen, compile, served }
}
