/** What every source of an agent must hold, against the real thing and a real registry. */
import { join } from 'node:path'
import type { Test } from 'tap'
import { Agent } from '../../agent/agent.js'
import { LeaseMemo } from '../../agent/register/lease-memo.js'
import type { Source } from '../../agent/sources/source.js'
import type { AgentRecord, AgentSource } from '../../contract/record/agent-record.js'
import type { InstanceRecord } from '../../contract/record/instance-record.js'
import { temporaryFolder } from '../../lab/temp.js'
import { until } from '../../lab/until.js'
import { openEmbedded } from '../../registry/embedded/registry.js'
import type { Change, Registry } from '../../registry/registry.js'
import { silentLogger as log } from '../../runtime/logger.js'

/** One entry: an instance of an upstream. */
export interface SuiteEntry {
  /** What the entry is known by where it stands. */
  name: string
  upstream: string
  host: string
  port: number
}

/** What a source gives the suite. Each call resolves once the place has it. */
export interface SourceDriver {
  /** A new one for each life of the agent. */
  open(agent: string): Source
  /** What is there under these names is replaced. */
  put(entries: SuiteEntry[]): Promise<void>
  remove(name: string): Promise<void>
  /** An entry that nobody can read. */
  garbage(name: string): Promise<void>
  /** The place cannot be reached any more, until it is back as it was. */
  away(): Promise<void>
  back(): Promise<void>
  /** All entries are gone at once. */
  wipe(): Promise<void>
}

const AGENT = 'node-1'
const HOLD_MS = 1500

class Rig {
  readonly changes: Change[] = []
  readonly #registry: Registry
  readonly #driver: SourceDriver
  readonly #memo: LeaseMemo
  #stop: (() => Promise<void>) | undefined

  private constructor(registry: Registry, driver: SourceDriver, home: string) {
    this.#registry = registry
    this.#driver = driver
    this.#memo = new LeaseMemo(join(home, 'lease.json'), 'suite', log)
    registry.watch([''], {
      onListing: () => undefined,
      onChanges: (changes) => this.changes.push(...changes),
      onConnected: () => undefined,
    })
  }

  static async open(t: Test, driver: SourceDriver): Promise<Rig> {
    const home = temporaryFolder(t, 'source')
    const registry = await openEmbedded({ folder: join(home, 'registry'), log })
    const rig = new Rig(registry, driver, home)
    t.teardown(async () => {
      await rig.end()
      await registry.close()
    })
    return rig
  }

  start(): void {
    const agent = new Agent({
      registry: this.#registry,
      machine: { agent: AGENT, address: undefined, allowLoopback: false },
      sources: [this.#driver.open(AGENT)],
      memo: this.#memo,
      ttlMs: 60_000,
      log,
      routesLingerMs: 100,
      holdMs: HOLD_MS,
    })
    const stop = new AbortController()
    const running = agent.run(stop.signal)
    this.#stop = async () => {
      stop.abort()
      await running
    }
  }

  async end(): Promise<void> {
    await this.#stop?.()
    this.#stop = undefined
  }

  /** `web 10.0.0.1:80` of each instance, and what the agent says of the source, at one moment. */
  async look(): Promise<{ instances: string[]; source: AgentSource | undefined }> {
    const { entries } = await this.#registry.list('')
    const instances = entries.flatMap(({ key, value }) => {
      const { host, port, state, gone } = JSON.parse(value) as InstanceRecord
      const isThere = key.startsWith('instances/') && state === 'up' && gone !== true
      return isThere ? [`${key.split('/')[1]} ${host}:${port}`] : []
    })
    const own = entries.find(({ key }) => key === `hosts/${AGENT}`)
    const record = own && (JSON.parse(own.value) as AgentRecord)
    return { instances: instances.sort(), source: record?.sources?.[0] }
  }

  /** Waits until just these instances are registered, and until `also` holds. */
  async becomes(
    expected: string[],
    also: (source: AgentSource) => boolean = () => true,
  ): Promise<void> {
    const wanted = [...expected].sort().join()
    await until(
      async () => {
        const { instances, source } = await this.look()
        return instances.join() === wanted && source !== undefined && also(source)
      },
      { what: `registered: ${wanted.slice(0, 200)}; ${also.toString()}`, deadlineMs: 20_000 },
    )
  }
}

const web = (n: number): SuiteEntry => ({
  ...{ name: `web-${n}`, upstream: 'web', host: `10.0.0.${n}`, port: 80 },
})
const shown = ({ upstream, host, port }: SuiteEntry) => `${upstream} ${host}:${port}`

/** `make` gives an empty place of its own. */
export function sourceConformance(
  t: Test,
  name: string,
  make: (t: Test) => Promise<SourceDriver>,
): void {
  t.test(`${name}: appears, changes, vanishes, comes back, is garbage`, async (t) => {
    const driver = await make(t)
    const rig = await Rig.open(t, driver)
    rig.start()
    await driver.put([web(1), web(2)])
    await rig.becomes(['web 10.0.0.1:80', 'web 10.0.0.2:80'])
    await driver.put([{ ...web(2), port: 81 }])
    await rig.becomes(['web 10.0.0.1:80', 'web 10.0.0.2:81'])
    await driver.remove('web-2')
    await rig.becomes(['web 10.0.0.1:80'])
    await driver.put([web(2)])
    await rig.becomes(['web 10.0.0.1:80', 'web 10.0.0.2:80'])
    await driver.garbage('odd')
    await rig.becomes(
      ['web 10.0.0.1:80', 'web 10.0.0.2:80'],
      ({ refused, refusal }) => refused === 1 && refusal?.includes('odd') === true,
    )
    await driver.put([web(3)])
    await rig.becomes([1, 2, 3].map((n) => shown(web(n))))
    await driver.remove('odd')
    await rig.becomes(
      [1, 2, 3].map((n) => shown(web(n))),
      ({ refused }) => refused === 0,
    )
  })

  t.test(`${name}: what it said stays while it is away, and over a restart`, async (t) => {
    const driver = await make(t)
    const rig = await Rig.open(t, driver)
    const both = [web(1), web(2)].map(shown)
    await driver.put([web(1), web(2)])
    rig.start()
    await rig.becomes(both, ({ away, instances }) => away === undefined && instances === 2)
    rig.changes.length = 0
    await rig.end()
    rig.start()
    await driver.put([web(3)])
    await rig.becomes([...both, shown(web(3))])
    const touched = rig.changes.filter(({ key }) => key.startsWith('instances/'))
    t.same(touched.length, 1, 'a restart doubles nothing and removes nothing')

    await driver.away()
    await rig.becomes([...both, shown(web(3))], ({ away }) => away !== undefined)
    await rig.end()
    rig.start()
    await rig.becomes(
      [...both, shown(web(3))],
      ({ away }) => away !== undefined && away.isDoubted !== true,
    )
    await driver.back()
    await rig.becomes([...both, shown(web(3))], ({ away }) => away === undefined)
    await driver.remove('web-3')
    await rig.becomes(both)
  })

  t.test(`${name}: empty at once is held as long as that may be a mistake`, async (t) => {
    const driver = await make(t)
    const rig = await Rig.open(t, driver)
    await driver.put([web(1), web(2)])
    rig.start()
    await rig.becomes([web(1), web(2)].map(shown))
    await driver.wipe()
    await rig.becomes([web(1), web(2)].map(shown), ({ away }) => away?.isDoubted === true)
    await rig.becomes([], ({ away }) => away === undefined)
  })

  t.test(`${name}: follows a thousand entries`, async (t) => {
    const driver = await make(t)
    const rig = await Rig.open(t, driver)
    const entries = Array.from({ length: 1000 }, (_, i) => ({
      ...{ name: `many-${i}`, upstream: `u${i % 100}`, port: 80 },
      host: `10.1.${Math.floor(i / 250)}.${(i % 250) + 1}`,
    }))
    await driver.put(entries)
    rig.start()
    await rig.becomes(entries.map(shown))
    await driver.put([{ ...(entries[500] as SuiteEntry), port: 81 }])
    await rig.becomes(entries.map((entry, i) => shown(i === 500 ? { ...entry, port: 81 } : entry)))
  })
}
