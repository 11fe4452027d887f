/** Processes of Sluice are killed under load, and requests go on. */
import type { Test } from 'tap'
import { takeLanes, whenOpen, whenWritten } from '../../lab/load/compiled.js'
import { printLoadVerdict, judge, monotonicMs } from '../../lab/load/ledger.js'
import type { ClientLine, ClosedWindow, LoadVerdict } from '../../lab/load/ledger.js'
import { startLoad } from '../../lab/load/load.js'
import type { Load, LoadOptions } from '../../lab/load/load.js'
import { Backends } from '../../lab/load/backends.js'
import { clientPortsOf, hasEnded } from '../../lab/load/processes.js'
import { chooseSeed } from '../../lab/load/random.js'
import { startRig } from '../../lab/load/rig.js'
import type { Rig } from '../../lab/load/rig.js'
import { TableReader } from '../../lab/load/table-reader.js'
import { temporaryFolder } from '../../lab/temp.js'
import { tools } from '../../lab/tools.js'
import { until } from '../../lab/until.js'

/** Whether nginx serves alone while nothing changes. */
type Compiled = 'off' | 'auto'

const UPSTREAMS = ['web', 'api']
const LEAST = { requests: 500, perSecond: 50 }
const MOST_UNACCEPTED = 3
const seed = chooseSeed()

/** What one test has: everything runs, with two instances of each upstream, and a load on it. */
class Scene {
  readonly windows: ClosedWindow[] = []
  readonly #backends: Backends
  #load: Load | undefined
  #serial = 0

  private constructor(
    readonly rig: Rig,
    readonly folder: string,
  ) {
    this.#backends = new Backends(folder, 'kill')
  }

  static async begin(t: Test, compiled: Compiled, load: Partial<LoadOptions> = {}): Promise<Scene> {
    const { nginx } = await tools()
    // No engine answers there: the agent runs and keeps trying, which is all that is needed of it.
    const engine = `unix://${temporaryFolder(t)}/docker.sock`
    const env = { SLUICE_DOCKER: engine, SLUICE_COMPILED: compiled }
    const rig = await startRig({ name: 'kill', nginx, env })
    t.teardown(() => rig.stop())
    const scene = new Scene(rig, temporaryFolder(t, 'ledger'))
    t.teardown(() => scene.#end())
    for (const upstream of UPSTREAMS) {
      await scene.add(upstream)
      await scene.add(upstream)
    }
    if (compiled === 'auto') {
      await scene.compile()
    }
    const target = { host: '127.0.0.1', port: rig.httpPort }
    scene.#load = startLoad(scene.folder, { target, upstreams: UPSTREAMS, seed, ...load })
    await scene.more()
    return scene
  }

  async add(upstream: string): Promise<{ instance: string; path: string }> {
    const instance = `${upstream}-${++this.#serial}`
    const host = `127.7.0.${this.#serial}`
    const port = await this.#backends.open({ upstream, instance, host, port: 0 })
    const path = `/v1/upstreams/${upstream}/instances/${instance}`
    await this.rig.change('PUT', path, { host, port })
    return { instance, path }
  }

  /** nginx serves alone, until something changes. */
  async compile(): Promise<void> {
    // One for the host of each, and one for who names the upstream.
    await whenWritten(this.rig.home, 2 * UPSTREAMS.length)
    const old = this.rig.workers()
    await takeLanes(this.rig)
    await until(() => old.every(hasEnded), {
      what: 'the end of the old workers',
      deadlineMs: 30_000,
    })
    await this.gatesOpen()
  }

  /** Waits until all gates are open. Without lanes there are none. */
  async gatesOpen(): Promise<void> {
    await whenOpen(this.rig.home)
  }

  /** Waits until the load has gone on by some hundred requests. */
  async more(): Promise<void> {
    const count = async (): Promise<number> => (await this.#load?.count())?.requests ?? 0
    const before = await count()
    await until(async () => (await count()) > before + 300, { what: 'requests' })
  }

  /**
   * A new instance gets requests; drained, it gets no more and may be stopped; its upstream goes
   * on.
   */
  async changeIsEffective(t: Test): Promise<void> {
    await until(async () => (await this.rig.call('GET', '/readyz')).status === 200, {
      deadlineMs: 30_000,
      what: 'the API',
    })
    const { instance, path } = await this.add('web')
    const reached = (): boolean => this.#backends.lines().some((line) => line.instance === instance)
    await until(reached, { what: 'a request at the new instance' })
    const drained = await this.rig.change('POST', `${path}/drain`, { waitMs: 10_000 })
    this.windows.push({ instance, fromMs: monotonicMs() })
    t.match(drained, { state: 'draining', drained: true, active: 0 }, 'it drains')
    await this.more()
    await this.#backends.close(instance)
    await this.rig.change('DELETE', path)
    const { body } = await this.rig.call('GET', '/v1/upstreams/web')
    t.equal(body.instances?.length, 2, 'what was registered before is still there')
  }

  /**
   * Until then requests pass through two workers, and which of them held one cannot be told from
   * outside.
   */
  async pooled(): Promise<void> {
    const reader = new TableReader(this.rig.home)
    const allPooled = async (): Promise<boolean> => {
      const peers = [...(await reader.peers(UPSTREAMS)).values()].flatMap((each) => [
        ...each.values(),
      ])
      return peers.length === 4 && peers.every((peer) => peer.pooled)
    }
    try {
      await until(allPooled, { deadlineMs: 20_000, what: 'all peers in the pool' })
      // What was begun before that has its answer by then.
      await this.more()
    } finally {
      await reader.close()
    }
  }

  /** What an instance had in flight in a worker that died is not waited for. */
  async oldDrains(t: Test): Promise<void> {
    for (const instance of ['web-1', 'api-3']) {
      const path = `/v1/upstreams/${instance.slice(0, 3)}/instances/${instance}`
      const drained = await this.rig.change('POST', `${path}/drain`, { waitMs: 10_000 })
      const fromMs = monotonicMs()
      t.match(drained, { drained: true, active: 0 }, `${instance} drains`)
      await this.more()
      this.windows.push({ instance, fromMs, untilMs: monotonicMs() })
      await this.rig.change('POST', `${path}/undrain`)
    }
  }

  async verdict(): Promise<LoadVerdict> {
    const stopped = await this.#load?.stop()
    this.#load = undefined
    const client = stopped?.lines ?? []
    const { windows } = this
    return judge({ client, backends: this.#backends.lines(), windows, least: LEAST })
  }

  async #end(): Promise<void> {
    await this.#load?.kill()
    await this.#backends.kill()
  }
}

function isClean(t: Test, verdict: LoadVerdict): void {
  t.comment(`seed ${seed}: ${printLoadVerdict(verdict)}`)
  t.equal(verdict.tooSmall, undefined, 'the load was large enough')
  t.same(verdict.lost.slice(0, 3), [], 'none lost')
  t.same(verdict.misrouted.slice(0, 3), [], 'none misrouted')
  t.same(verdict.afterDrain.slice(0, 3), [], 'none after a drain was answered')
  t.same(verdict.duplicated.slice(0, 3), [], 'no POST sent twice')
  t.same(verdict.disagreed.slice(0, 3), [], 'both ledgers agree')
}

export function testKills(t: Test, compiled: Compiled): void {
  t.setTimeout(230_000)

  t.test('kill -9 of all but nginx loses nothing', async (t) => {
    const scene = await Scene.begin(t, compiled)
    const { rig } = scene
    const nginx = { master: rig.nginxPid(), workers: rig.workers() }
    const untouched = (): object => ({ master: rig.nginxPid(), workers: rig.workers() })

    for (const part of ['controller', 'agent'] as const) {
      await t.test(`the ${part} is started again, and changes work`, async (t) => {
        await scene.gatesOpen()
        const pid = await until(() => rig.partPid(part), { what: part })
        process.kill(pid, 'SIGKILL')
        await scene.more()
        const again = await until(() => rig.partPid(part), { what: part, deadlineMs: 30_000 })
        t.not(again, pid, 'another process')
        await scene.changeIsEffective(t)
        t.same(untouched(), nginx, 'nginx was not touched')
      })
    }
    await t.test('the supervisor: the next start takes over', async (t) => {
      await scene.gatesOpen()
      await rig.killSupervisor()
      await scene.more()
      t.same(untouched(), nginx, 'nginx runs on alone')
      await rig.start()
      await scene.changeIsEffective(t)
      t.same(untouched(), nginx, 'the same nginx was taken over')
    })
    await t.test('the load saw nothing of it', async (t) => isClean(t, await scene.verdict()))
  })

  t.test('kill -9 of a worker of nginx loses only what it held', async (t) => {
    // Many connections, so that each worker has some; many slow requests, so that each has some in
    // flight.
    const scene = await Scene.begin(t, compiled, {
      workers: 40,
      thinkMs: 20,
      slowPart: 0.5,
      slowMs: 200,
    })
    const { rig } = scene
    const master = rig.nginxPid()
    await scene.pooled()
    const held = rig
      .workers()
      .map((pid) => ({ pid, clients: clientPortsOf(pid, rig.httpPort).length }))
    const { pid, clients } = held.reduce((most, each) =>
      each.clients > most.clients ? each : most,
    )
    await scene.gatesOpen()
    const killedAtMs = monotonicMs()
    process.kill(pid, 'SIGKILL')
    await until(() => hasEnded(pid) && rig.workers().length === held.length, {
      what: 'a new worker',
    })
    await scene.more()
    t.equal(rig.nginxPid(), master, 'the master is the same')
    await scene.oldDrains(t)
    await scene.changeIsEffective(t)
    const verdict = await scene.verdict()
    t.comment(
      `${clients} connections were in the killed worker; ${verdict.lost.length} requests lost`,
    )
    t.ok(clients > 0, 'the worker held connections')
    t.ok(verdict.lost.length <= clients, 'no more than one request for each connection it held')
    const other = verdict.lost.filter((line) => line.status !== 0 || line.endMs < killedAtMs)
    t.same(other, [], 'each cut with its connection, none by an answer')
    isClean(t, { ...verdict, lost: other })
  })

  t.test('kill -9 of the master of nginx: its workers serve on', async (t) => {
    const scene = await Scene.begin(t, compiled, {
      connections: 'each',
      slowPart: 0.3,
      slowMs: 500,
    })
    const { rig } = scene
    await scene.pooled()
    const master = rig.nginxPid()
    const workers = rig.workers()
    await scene.gatesOpen()
    const killedAtMs = monotonicMs()
    process.kill(master, 'SIGKILL')
    await until(() => ![0, master].includes(rig.nginxPid()), {
      what: 'a new master',
      deadlineMs: 30_000,
    })
    await scene.more()
    await until(() => workers.every(hasEnded), {
      what: 'the end of the old workers',
      deadlineMs: 30_000,
    })
    const endedAtMs = monotonicMs()
    await scene.changeIsEffective(t)
    const verdict = await scene.verdict()
    // The kernel resets what waits at the sockets of workers that make room.
    const isUnaccepted = ({ status, startMs, endMs }: ClientLine): boolean =>
      status === 0 && startMs < endedAtMs && endMs > killedAtMs
    const unaccepted = verdict.lost.filter(isUnaccepted)
    t.ok(unaccepted.length <= MOST_UNACCEPTED, `${unaccepted.length} were not accepted yet`)
    isClean(t, { ...verdict, lost: verdict.lost.filter((line) => !isUnaccepted(line)) })
  })
}
