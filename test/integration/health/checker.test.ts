/** Active checks against real servers. */
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import { createServer as createTcp } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import t from 'tap'
import { guardCheckPolicy } from '../../../contract/record/check-policy.js'
import type { CheckPolicy } from '../../../contract/record/check-policy.js'
import { Checker } from '../../../controller/health/checks/checker.js'
import type { CheckTarget } from '../../../controller/health/checks/check-target.js'
import type { CheckerOptions } from '../../../controller/health/checks/checker.js'
import { silentLogger } from '../../../runtime/logger.js'
import { freePort } from '../../../lab/ports.js'
import { until } from '../../../lab/until.js'

type Tap = Pick<typeof t, 'teardown'>

const host = '127.0.0.1'

function policy(given: object = {}): CheckPolicy {
  const checked = guardCheckPolicy({ type: 'http', intervalMs: 500, ...given })
  if (!checked.ok) {
    throw new Error(`${checked.field} ${checked.message}`)
  }
  // Below what a policy may have, for tests that wait for many checks.
  return { ...checked.value, intervalMs: 40, timeoutMs: 5000, jitterPercent: 0, ...given }
}

async function listening(t: Tap, server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  t.teardown(() => new Promise((resolve) => server.close(resolve)))
  t.teardown(() => sockets.forEach((socket) => socket.destroy()))
  return (server.address() as AddressInfo).port
}

/** An instance that answers as set, and counts what it is asked. */
async function startInstance(t: Tap): Promise<Instance> {
  const instance: Instance = { port: 0, status: 200, asked: 0, held: [], isHolding: false }
  const server = createServer((_, response) => {
    instance.asked += 1
    if (instance.isHolding) {
      instance.held.push(response)
      response.on('close', () => instance.held.splice(instance.held.indexOf(response), 1))
    } else {
      response.writeHead(instance.status).end('ok')
    }
  })
  instance.port = await listening(t, server)
  return instance
}

interface Instance {
  port: number
  status: number
  asked: number
  held: ServerResponse[]
  isHolding: boolean
}

function startChecker(t: Tap, options: Partial<CheckerOptions> = {}) {
  const changes: string[][] = []
  const onChange = (keys: string[]): void => void changes.push(keys)
  const checker = new Checker({ log: silentLogger, onChange, ...options })
  t.teardown(() => checker.close())
  return { checker, changes }
}

const at = (port: number, policy: CheckPolicy, key = 'web/1'): CheckTarget => ({
  ...{ key, host, port, policy },
})

t.test('an instance falls, says why, and rises again', async (t) => {
  const instance = await startInstance(t)
  const { checker, changes } = startChecker(t)
  checker.setTargets([at(instance.port, policy())])
  t.match(checker.verdict('web/1'), { state: 'up' })
  await until(() => checker.verdict('web/1')?.latencyMs)
  t.same(changes, [], 'an instance that is up is no news')
  instance.status = 503
  await until(() => checker.verdict('web/1')?.state === 'down')
  t.match(checker.verdict('web/1'), { reason: 'check failed: answered 503' })
  t.same(changes, [['web/1']])
  instance.status = 500
  await until(() => changes.length === 2)
  t.match(checker.verdict('web/1'), { state: 'down', reason: 'check failed: answered 500' })
  instance.status = 200
  await until(() => checker.verdict('web/1')?.state === 'up')
  t.equal(checker.verdict('web/1')?.reason, undefined)
  await until(() => changes.length === 3)
})

t.test('one that must pass first is down, reported at once, and up after one pass', async (t) => {
  const instance = await startInstance(t)
  const { checker, changes } = startChecker(t)
  checker.setTargets([at(instance.port, policy({ initial: 'down', rise: 100 }))])
  t.match(checker.verdict('web/1'), { state: 'down', reason: 'not checked yet' })
  await until(() => checker.verdict('web/1')?.state === 'up')
  await until(() => changes.length > 0)
  const known = at(instance.port, policy({ initial: 'down' }), 'web/2')
  checker.setTargets([{ ...known, before: { state: 'up' } }])
  t.match(checker.verdict('web/2'), { state: 'up' })
})

t.test('all that changes in one turn is reported at once', async (t) => {
  const { checker, changes } = startChecker(t)
  const given = policy({ initial: 'down' })
  const port = await freePort()
  const keys = Array.from({ length: 50 }, (_, index) => `web/${index}`)
  checker.setTargets(keys.map((key) => at(port, given, key)))
  await until(() => changes.length > 0)
  t.same(changes[0], keys)
})

t.test(
  'one that moved starts anew; one that is gone is forgotten and its check ends',
  async (t) => {
    const instance = await startInstance(t)
    instance.isHolding = true
    const { checker, changes } = startChecker(t)
    const given = policy({ fall: 1 })
    checker.setTargets([at(await freePort(), given)])
    await until(() => checker.verdict('web/1')?.state === 'down')
    const long = policy({ timeoutMs: 60_000, intervalMs: 60_000 })
    checker.setTargets([at(instance.port, long)])
    t.match(checker.verdict('web/1'), { state: 'up', reason: undefined })
    await until(() => instance.held.length === 1)
    await until(() => changes.length === 2)
    checker.setTargets([])
    t.equal(checker.verdict('web/1'), undefined)
    t.equal(checker.verdicts().size, 0)
    await until(() => instance.held.length === 0)
    await until(() => checker.counts().running === 0)
    t.same([checker.counts().instances, checker.counts().failed], [0, 1])
  },
)

t.test('another policy keeps the verdict until its own results', async (t) => {
  const instance = await startInstance(t)
  instance.status = 503
  const { checker, changes } = startChecker(t)
  checker.setTargets([at(instance.port, policy({ fall: 1 }))])
  await until(() => checker.verdict('web/1')?.state === 'down')
  const before = checker.verdict('web/1')
  checker.setTargets([at(instance.port, policy({ statuses: '503', rise: 2 }))])
  t.same(checker.verdict('web/1'), before)
  await until(() => checker.verdict('web/1')?.state === 'up')
  const { asked } = instance
  checker.setTargets([at(instance.port, policy({ statuses: '503', rise: 2 }))])
  await until(() => instance.asked > asked + 3)
  await until(() => changes.length === 2)
})

t.test('the port of the policy is asked, not that of the instance', async (t) => {
  const instance = await startInstance(t)
  const { checker } = startChecker(t)
  checker.setTargets([at(await freePort(), policy({ fall: 1, port: instance.port }))])
  await until(() => instance.asked > 2)
  t.match(checker.verdict('web/1'), { state: 'up' })
})

t.test('a check never overlaps itself, and all at once are no more than allowed', async (t) => {
  const instance = await startInstance(t)
  instance.isHolding = true
  const { checker } = startChecker(t, { atOnce: 3 })
  const given = policy({ timeoutMs: 500, fall: 100 })
  checker.setTargets([at(instance.port, given)])
  let most = 0
  await until(() => {
    most = Math.max(most, instance.held.length)
    return instance.asked >= 2
  })
  t.equal(most, 1)
  const many = Array.from({ length: 20 }, (_, index) => at(instance.port, given, `web/${index}`))
  checker.setTargets(many)
  await until(() => {
    most = Math.max(most, checker.counts().running)
    t.ok(instance.held.length <= 3)
    return instance.asked >= 8
  })
  t.equal(most, 3)
  instance.isHolding = false
  await until(() => [...checker.verdicts().values()].every(({ latencyMs }) => latencyMs))
})

t.test('closing ends what runs, and nothing is reported after it', async (t) => {
  const instance = await startInstance(t)
  instance.isHolding = true
  const { checker, changes } = startChecker(t)
  const given = policy({ timeoutMs: 60_000, intervalMs: 60_000, initial: 'down' })
  const many = Array.from({ length: 30 }, (_, index) => at(instance.port, given, `web/${index}`))
  checker.setTargets(many.slice(0, 1))
  await until(() => instance.held.length === 1)
  const before = changes.length
  checker.setTargets(many)
  await checker.close()
  await until(() => instance.held.length === 0)
  checker.setTargets(many)
  t.equal(checker.counts().instances, 0)
  t.equal(changes.length, before)
})

t.test('a caller that throws does not end the checks', async (t) => {
  const instance = await startInstance(t)
  const onChange = (): void => {
    throw new Error('not now')
  }
  const { checker } = startChecker(t, { onChange })
  checker.setTargets([at(instance.port, policy({ initial: 'down' }))])
  await until(() => instance.asked > 3)
  t.match(checker.verdict('web/1'), { state: 'up' })
})

t.test(
  '10,000 instances: all are asked, and naming them again does not ask them anew',
  async (t) => {
    let asked = 0
    const port = await listening(
      t,
      createTcp((socket) => {
        asked += 1
        socket.resume()
      }),
    )
    const { checker, changes } = startChecker(t)
    const given = policy({ type: 'tcp', intervalMs: 3_600_000, fall: 1 })
    const targets = () =>
      Array.from({ length: 10_000 }, (_, index) => at(port, given, `web/${index}`))
    checker.setTargets(targets())
    t.equal(checker.verdicts().size, 10_000)
    for (let round = 0; round < 20; round++) {
      checker.setTargets(targets())
    }
    await until(() => checker.counts().passed === 10_000, { deadlineMs: 60_000, intervalMs: 100 })
    checker.setTargets(targets())
    t.match(checker.counts(), { instances: 10_000, passed: 10_000, failed: 0, running: 0 })
    // The kernel takes connections before the process does.
    await until(() => asked >= 10_000)
    t.equal(asked, 10_000)
    t.same(changes, [])
  },
)

t.test('Sluice is not asked about itself, and says so', async (t) => {
  const [instance, own] = [await startInstance(t), await startInstance(t)]
  const warned: object[] = []
  const warn = (said: object) => void ('key' in said && warned.push(said))
  const log = { ...silentLogger, warn }
  const isOwn = (_: string, port: number): boolean => port === own.port
  const { checker } = startChecker(t, { log, isOwn })
  const given = policy()
  const itself = at(instance.port, { ...given, port: own.port }, 'web/2')
  checker.setTargets([at(instance.port, given), itself])
  checker.setTargets([at(instance.port, given), itself])
  await until(() => instance.asked > 3)
  t.equal(own.asked, 0)
  t.equal(checker.verdict('web/2'), undefined, 'it serves')
  t.same(warned, [{ key: 'web/2', port: own.port }], 'once')
  checker.setTargets([at(instance.port, given), at(instance.port, given, 'web/2')])
  await until(() => checker.verdict('web/2')?.latencyMs)
})
