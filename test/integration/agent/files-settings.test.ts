/** Settings of upstreams in files, an agent and a real registry. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Agent } from '../../../agent/agent.js'
import { LeaseMemo } from '../../../agent/register/lease-memo.js'
import { SettingsMemo } from '../../../agent/register/settings-memo.js'
import { FilesSource } from '../../../agent/sources/files/files-source.js'
import type { UpstreamRecord } from '../../../contract/record/upstream-record.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'
import { openEmbedded } from '../../../registry/embedded/registry.js'
import { silentLogger as log } from '../../../runtime/logger.js'

const AGENT = 'node-1'

async function rig(t: Test) {
  const home = temporaryFolder(t)
  const folder = temporaryFolder(t)
  const registry = await openEmbedded({ folder: join(home, 'registry'), log })
  let stop = async (): Promise<void> => undefined
  t.teardown(async () => {
    await stop()
    await registry.close()
  })
  const start = () => {
    const agent = new Agent({
      registry,
      machine: { agent: AGENT, address: undefined, allowLoopback: false },
      sources: [new FilesSource({ folder, agent: AGENT, addresses: { allowLoopback: false } })],
      memo: new LeaseMemo(join(home, 'agent-lease.json'), 'scope', log),
      settingsMemo: new SettingsMemo(join(home, 'agent-settings.json'), 'scope', log),
      ...{ ttlMs: 60_000, log },
    })
    const aborter = new AbortController()
    const running = agent.run(aborter.signal)
    stop = async () => {
      aborter.abort()
      await running
    }
  }
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
  const balanceOf = async (upstream: string) => {
    const { entry } = await registry.get(`upstreams/${upstream}`)
    return entry && (JSON.parse(entry.value) as UpstreamRecord).policy.balance
  }
  const becomes = async (upstream: string, balance: string | undefined) =>
    until(async () => (await balanceOf(upstream)) === balance, {
      what: `${upstream} to be balanced by ${balance}`,
    })
  const isThere = async (key: string) => (await registry.get(key)).entry !== undefined
  const remove = (name: string) => rmSync(join(folder, name))
  return { start, end: async () => stop(), write, remove, balanceOf, becomes, isThere }
}

const web = (balance: string) => `upstreams: {web: {policy: {balance: ${balance}}}}`

t.test('settings follow their file, over a restart, and go with it', async (t) => {
  const { start, end, write, remove, balanceOf, becomes, isThere } = await rig(t)
  write('web.yaml', web('leastConn'))
  write('api.yaml', 'upstreams: {api: {policy: {balance: ipHash}}}')
  start()
  await becomes('web', 'leastConn')
  write('web.yaml', web('roundRobin'))
  await becomes('web', 'roundRobin')
  await end()

  write('web.yaml', 'upstreams: [')
  write('c.yaml', 'upstreams: {c: {instances: [{id: c, host: 10.0.0.7, port: 80}]}}')
  start()
  await until(() => isThere('instances/c/c'), { what: 'the other file' })
  write('api.yaml', 'upstreams: {api: {policy: {balance: random}}}')
  await becomes('api', 'random')
  t.equal(await balanceOf('web'), 'roundRobin', 'what a bad file gave before stays')
  write('web.yaml', web('ipHash'))
  await becomes('web', 'ipHash')
  remove('web.yaml')
  await becomes('web', undefined)
  t.equal(await balanceOf('api'), 'random')
})
