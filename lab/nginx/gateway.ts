// A real nginx with the rendered configuration, in a home of its own.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { GatewayState } from '../../contract/push.js'
import { homePaths, type ConfSettings } from '../../nginx/render.js'
import { ask, type Answer, type Question } from '../ask.js'
import { adminOf } from './admin.js'
import { confSettings, nginxOf, writeHome } from './gateway-home.js'
import type { GatewayKind, GatewayOptions } from './gateway-home.js'
import { Nginx } from './nginx-process.js'
import { startPoolResponder, type PoolResponder } from './pool-responder.js'
import { freePort } from '../ports.js'
import type { Entries } from './unit-builder.js'
import { temporaryFolder } from '../temp.js'
import { until } from '../until.js'

export { GATEWAY_KINDS } from './gateway-home.js'
export type { GatewayKind, GatewayOptions } from './gateway-home.js'

export interface Gateway {
  kind: GatewayKind
  pool: boolean
  home: string
  httpPort: number
  httpsPort: number
  /** The port that `conf` was given. */
  userPort: number
  /** Where nginx asks for the pool's members. */
  poolPort: number
  responder: PoolResponder
  /** A request to the gateway's own port, or to another. */
  ask: (question: Question) => Promise<Answer>
  /** A call of the admin endpoint. */
  admin: (method: string, path: string, body?: unknown, headers?: object) => Promise<Answer>
  state: () => Promise<GatewayState>
  /** Claims the gateway if need be and makes the table hold exactly `units`. */
  setTable: (...units: Entries[]) => Promise<void>
  /** Waits until the pool has these peers. */
  fillPool: (...addresses: string[]) => Promise<void>
  /** Waits until the kept pool, and that for gRPC, has these peers. */
  fillKept: (...addresses: string[]) => Promise<void>
  /** Sum of the native and the dict's counts. */
  active: (sid: string) => Promise<number>
  counters: () => Promise<Record<string, number>>
  accessLog: () => Array<Record<string, unknown>>
  errorLog: () => string
  reload: () => Promise<void>
  restart: () => Promise<void>
}

interface TestLike {
  name: string
  passing(): boolean
  teardown(fn: () => unknown): void
  comment(...lines: unknown[]): void
}

export async function startGateway(t: TestLike, options: GatewayOptions): Promise<Gateway> {
  const home = temporaryFolder(t, 'gw')
  const nginx = await nginxOf(options.kind)
  const ports = {
    poolPort: await freePort(),
    httpPort: await freePort(),
    userPort: await freePort(),
    httpsPort: await freePort(),
  }
  const settings = confSettings(home, nginx, options, ports)
  await writeHome(settings, options, ports.userPort)
  const responder = await startPoolResponder(ports.poolPort)
  t.teardown(() => responder.stop())
  const { path } = options.program?.(nginx) ?? nginx
  const process = new Nginx(path, home, ports.httpPort)
  await process.start()
  t.teardown(async () => {
    if (!t.passing()) {
      t.comment(`${options.kind}: error.log\n${process.errorLog()}`)
    }
    await process.stop()
  })
  return gatewayOf(options.kind, settings, ports, responder, process)
}

function gatewayOf(
  kind: GatewayKind,
  settings: ConfSettings,
  ports: { httpPort: number; httpsPort: number; userPort: number; poolPort: number },
  responder: PoolResponder,
  nginx: Nginx,
): Gateway {
  const { home, pool } = settings
  const { admin, call, state, setTable } = adminOf(homePaths(home).adminSocket)

  const counted = async (sid: string): Promise<number> => {
    const { workers } = await state()
    const { active } = await call<{ active: number[] }>('POST', '/active', {
      sids: [sid],
      pids: workers,
    })
    let sum = active[0] ?? 0
    for (const pid of workers) {
      let limit = 1
      while ((await admin('GET', `/probe/${limit}?sid=${sid}&pid=${pid}`)).body === '1') {
        limit += 1
      }
      sum += limit - 1
    }
    return sum
  }
  const filled = async (): Promise<void> => {
    if (!pool) {
      return
    }
    // The third round shows that the answer to the second has been applied.
    const from = responder.rounds()
    await until(() => responder.rounds() >= from + 3, {
      what: 'the pool',
    })
  }

  const fillPool: Gateway['fillPool'] = (...addresses) => {
    responder.setPeers(addresses)
    return filled()
  }
  const fillKept: Gateway['fillKept'] = (...addresses) => {
    responder.setKept(addresses)
    return filled()
  }

  return {
    kind,
    pool,
    home,
    responder,
    admin,
    state,
    setTable,
    fillPool,
    fillKept,
    httpPort: ports.httpPort,
    httpsPort: ports.httpsPort,
    userPort: ports.userPort,
    poolPort: ports.poolPort,
    active: counted,
    ask: (question) => ask({ port: ports.httpPort, ...question }),
    counters: () => call('GET', '/counters'),
    accessLog: () => {
      const file = join(home, 'logs/access.log')
      const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
      return lines.filter(Boolean).map((line) => JSON.parse(line) as Record<string, unknown>)
    },
    errorLog: () => nginx.errorLog(),
    reload: async () => {
      const before = (await state()).workers
      nginx.reload()
      await until(async () => (await state()).workers.some((pid) => !before.includes(pid)))
    },
    restart: async () => {
      await nginx.stop()
      await nginx.start()
    },
  }
}
