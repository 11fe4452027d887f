/** From `docker run` to a curl, and back: containers come and go, and clients notice nothing. */
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { dockerUnavailable, importImage, startDockerd } from '../../lab/engines/dockerd.js'
import type { Dockerd } from '../../lab/engines/dockerd.js'
import { startRig } from '../../lab/load/rig.js'
import type { Rig } from '../../lab/load/rig.js'
import { tools } from '../../lab/tools.js'
import { until } from '../../lab/until.js'

const IMAGE = 'sluice-test'
/** Fewer than this prove nothing. */
const LEAST_REQUESTS = 300

t.setTimeout(120_000)

interface Answer {
  status: number
  /** The container that answered, by its host name. */
  by: string
  path: string
}

let rig: Rig
let dockerd: Dockerd

function ask(host: string, path = '/', agent: Agent | false = false): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const target = { port: rig.httpPort, host: '127.0.0.1', path, headers: { host }, agent }
    const call = request({ ...target, timeout: 10_000 }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      answer.on('error', reject)
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, by: text.trim(), path }))
    })
    call.on('timeout', () => call.destroy(new Error('no answer within 10 s')))
    call.on('error', reject)
    call.end()
  })
}

/** GETs over kept-alive connections, until it is ended; some of them take a while. */
class Load {
  readonly answers: Answer[] = []
  readonly failures: string[] = []
  readonly #agent = new Agent({ keepAlive: true })
  readonly #loops: Promise<void>[]
  #ended = false

  constructor(host: string, clients = 6) {
    this.#loops = Array.from({ length: clients }, (_, i) => this.#loop(host, i))
  }

  async end(): Promise<void> {
    this.#ended = true
    await Promise.all(this.#loops)
    this.#agent.destroy()
  }

  /** Resolves when so many more requests were answered. */
  async more(count: number): Promise<void> {
    const enough = this.answers.length + count
    await until(() => this.answers.length >= enough, { deadlineMs: 20_000, what: 'more answers' })
  }

  by(name: string): number {
    return this.answers.filter((answer) => answer.by === name).length
  }

  get bad(): Answer[] {
    return this.answers.filter(({ status }) => status !== 200)
  }

  async #loop(host: string, client: number): Promise<void> {
    const path = client === 0 ? '/sleep/300' : '/sleep/2'
    while (!this.#ended) {
      try {
        this.answers.push(await ask(host, path, this.#agent))
      } catch (error) {
        this.failures.push(String(error))
      }
    }
  }
}

async function run(name: string, ...options: string[]): Promise<void> {
  await dockerd.docker('run', '-d', '--name', name, '--hostname', name, ...options, IMAGE)
}

function web(name: string): Promise<void> {
  return run(name, '-l', 'sluice.enable=true', '-l', 'sluice.upstream=web')
}

async function answers(host: string, by: string, path = '/'): Promise<void> {
  const isIt = async (): Promise<boolean> => (await ask(host, path)).by === by
  await until(isIt, { deadlineMs: 15_000, what: `${by} at ${host}${path}` })
}

function noneLost(t: Test, load: Load): void {
  t.same(load.failures, [])
  t.same(load.bad.slice(0, 5), [])
  t.ok(load.answers.length >= LEAST_REQUESTS, `${load.answers.length} requests`)
}

t.test(
  'containers come and go, and clients notice nothing',
  { skip: dockerUnavailable() },
  async (t) => {
    const { nginx } = await tools()
    dockerd = await startDockerd()
    t.teardown(() => dockerd.stop())
    await importImage(dockerd.socket, IMAGE)
    rig = await startRig({
      name: 'e2e-docker',
      nginx,
      env: { SLUICE_DOCKER: `unix://${dockerd.socket}` },
    })
    t.teardown(async () => {
      if (!t.passing()) {
        t.comment(rig.log(), readFileSync(join(rig.home, 'logs/error.log'), 'utf8').slice(-4000))
      }
      await rig.stop()
    })
    const before = { workers: rig.workers(), configuration: rig.configuration() }

    t.test('a container is served soon after its start', async (t) => {
      t.equal((await ask('web.localhost')).status, 404)
      const startedMs = Date.now()
      await web('web-1')
      const runMs = Date.now() - startedMs
      await answers('web.localhost', 'web-1')
      t.comment(`docker run took ${runMs} ms, served ${Date.now() - startedMs - runMs} ms later`)
    })

    t.test('labels: a host and a path; a mistake concerns one container alone', async (t) => {
      await run('wrong', '-l', 'sluice.upstream=wrong', '-l', 'sluice.port=http')
      const labels = ['sluice.host=shop.example', 'sluice.path=/sleep'].flatMap((one) => [
        '-l',
        one,
      ])
      await run('shop', '-l', 'sluice.upstream=shop', ...labels)
      await answers('shop.example', 'shop', '/sleep/1')
      t.equal((await ask('shop.example', '/other')).status, 404)
      t.equal((await ask('wrong.localhost')).status, 404)
      t.equal((await ask('web.localhost')).status, 200)
    })

    t.test('what came last goes first: an operator’s route before a label’s', async (t) => {
      const route = { hosts: ['shop.example'], pathPrefix: '/sleep', upstream: 'web' }
      await rig.change('PUT', '/v1/routes/zz-operator', route)
      t.equal((await ask('shop.example', '/sleep/1')).by, 'web-1')
      await rig.change('DELETE', '/v1/routes/zz-operator')
      t.equal((await ask('shop.example', '/sleep/1')).by, 'shop')
    })

    t.test('docker stop, and even rm -f, under load lose nothing', async (t) => {
      await web('web-2')
      await answers('web.localhost', 'web-2')
      const load = new Load('web.localhost')
      await load.more(LEAST_REQUESTS)
      await dockerd.docker('stop', 'web-1')
      const atStop = load.by('web-1')
      await load.more(100)
      t.ok(atStop > 0, 'it had its share')
      t.ok(load.by('web-1') <= atStop + 1, 'and nothing after')
      await dockerd.docker('start', 'web-1')
      const isBack = (): boolean => load.by('web-1') > atStop + 1
      await until(isBack, { deadlineMs: 15_000, what: 'web-1 in service again' })
      await dockerd.docker('rm', '-f', 'web-2')
      await load.more(100)
      await load.end()
      noneLost(t, load)
    })

    t.test('the only container restarts: busy, but not unknown', async (t) => {
      const load = new Load('shop.example', 2)
      await load.more(10)
      await dockerd.docker('restart', 'shop')
      await answers('shop.example', 'shop', '/sleep/1')
      await load.end()
      t.same(load.failures, [])
      const statuses = new Set(load.answers.map(({ status }) => status))
      statuses.delete(200)
      t.notOk(statuses.has(404), [...statuses].join())
    })

    t.test('the agent is killed under load, and follows again', async (t) => {
      const load = new Load('web.localhost')
      await load.more(50)
      const pid = rig.partPid('agent')
      process.kill(pid, 'SIGKILL')
      await web('web-3')
      await answers('web.localhost', 'web-3')
      t.not(rig.partPid('agent'), pid)
      await load.more(LEAST_REQUESTS)
      await load.end()
      noneLost(t, load)
      t.same(rig.workers(), before.workers, 'the workers are the same')
      t.equal(rig.configuration(), before.configuration, 'and so is what they were configured with')
    })
  },
)
