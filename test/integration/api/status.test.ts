/** One verdict, from one list: with a real etcd, a real nginx and real instances. */
import { execFile } from 'node:child_process'
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { openEtcd } from '../../../registry/etcd/registry.js'
import { silentLogger as log } from '../../../runtime/logger.js'
import { startEtcd } from '../../../lab/engines/etcd.js'
import { nodeArguments } from '../../../lab/node.js'
import { freePort } from '../../../lab/ports.js'
import { repository } from '../../../lab/tools.js'
import { until } from '../../../lab/until.js'
import { startControlled } from '../../support/controlled.js'
import { noEtcdSettings } from '../../support/registry-subjects.js'

t.setTimeout(170_000)

const run = promisify(execFile)
const main = join(repository, 'cli/main.ts')

t.test('status, /readyz, metrics and events name the same findings', async (t) => {
  const etcd = await startEtcd()
  t.teardown(() => etcd.stop())
  const url = `etcd://127.0.0.1:${etcd.clientPort}`
  const registry = openEtcd({ url, cluster: 'main', settings: noEtcdSettings, log })
  t.teardown(() => registry.close())
  const it = await startControlled(t, {
    kind: 'njs',
    registry,
    settings: { registry: url, metricsUpstreams: 0 },
  })
  const events: string[] = []
  t.teardown(
    it.controller.subscribe((event) => {
      if (event.type === 'finding') {
        events.push(`${event.code} ${event.state}`)
      }
    }),
  )
  const status = async () => (await it.call('GET', '/v1/status')).body
  const codes = async (): Promise<string[]> =>
    (await status()).findings.map(({ code }: { code: string }) => code)
  const becomes = async (...wanted: string[]) =>
    until(async () => (await codes()).join() === wanted.join(), { what: wanted.join() || 'well' })
  const sluice = async (...args: string[]) => {
    const words = [...nodeArguments(main), 'status', '--home', it.gateway.home, ...args]
    return run(process.execPath, words, { cwd: repository }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      (error: { code: number; stdout: string }) => error,
    )
  }

  await becomes()
  t.match(await status(), { well: true, ready: true, findings: [] })
  t.match(await sluice(), { code: 0, stdout: /\nready\n$/ })

  const dead = { host: '127.0.0.1', port: await freePort() }
  const check = { type: 'tcp', intervalMs: 500, timeoutMs: 200, fall: 1 }
  t.equal((await it.call('PUT', '/v1/upstreams/web', { policy: { check } })).status, 201)
  await it.call('PUT', '/v1/upstreams/web/instances/a', dead)
  await becomes('upstream_down')
  t.match(await status(), {
    well: false,
    ready: true,
    findings: [{ subject: 'web', message: /502 or 503/, cure: /./, sinceAtMs: Number }],
  })
  await registry.commit([{ type: 'put', key: 'routes/bad', value: '{"hosts": 7}' }])
  await becomes('upstream_down', 'values_refused')
  const ready = (await it.call('GET', '/readyz?verbose')).body
  t.match(ready, { ready: true, well: false, findings: (await status()).findings })
  const metrics = String((await it.call('GET', '/metrics')).body)
  t.match(metrics, /^sluice_finding\{code="values_refused"\} 1$/m)
  t.match(metrics, /^sluice_finding\{code="registry_away"\} 0$/m)
  t.match(metrics, /^sluice_instances\{upstream="\(others\)",state="down"\} 1$/m)
  t.match(metrics, /^sluice_upstreams_unnamed 1$/m)
  const shown = await sluice()
  t.equal(shown.code, 1)
  t.match(shown.stdout, /\nupstream_down web \(for .*\): .*only instance is down/)
  t.match(shown.stdout, /\nvalues_refused routes\/bad .*\n {2}to do: /)
  t.match(shown.stdout, /not well: .*findings: 2/)

  await etcd.kill9()
  await until(async () => (await codes()).includes('registry_away'))
  t.equal((await it.call('GET', '/readyz')).status, 200, 'it may serve all the same')
  t.equal(JSON.parse((await sluice('--json')).stdout).ready, true)
  await etcd.restart()
  await until(async () => !(await codes()).includes('registry_away'))
  await registry.commit([{ type: 'delete', key: 'routes/bad' }])
  await it.call('DELETE', '/v1/upstreams/web?force=true')
  await becomes()

  const sinceAtMs = Date.now() - 60_000
  const contested = {
    ...{ code: 'host_contested', subject: 'a.test/', sinceAtMs },
    message: 'route a.test/ belongs to upstream web; upstream green wants it, too',
  }
  const unreached = { code: 'address_unreached', subject: '10.0.0.9:80', message: 'x', sinceAtMs }
  const host = { address: '', containers: 1, problems: [contested, unreached, { code: 'x' }] }
  await registry.commit([{ type: 'put', key: 'hosts/node-1', value: JSON.stringify(host) }])
  await it.call('PUT', '/v1/routes/mine', { hosts: ['a.test'], upstream: 'web' })
  await becomes('host_contested', 'address_unreached')
  t.match((await status()).findings[0], { ...contested, message: /^agent node-1: route a\.test/ })
  t.match((await sluice()).stdout, /host_contested a\.test\/ .*green wants it, too/)
  const { why } = (await it.call('GET', '/v1/explain?host=a.test')).body
  t.match(why.join('\n'), /agent node-1: .*upstream green wants it, too/)
  const source = {
    name: 'files',
    address: '/etc/ups',
    instances: 3,
    refused: 1,
    refusal: 'a.yaml:2: x',
  }
  const away = { reason: '3 are gone', sinceAtMs, isDoubted: true }
  const followed = { address: '', containers: 0, sources: [{ ...source, away }, { name: 7 }] }
  await registry.commit([{ type: 'put', key: 'hosts/node-1', value: JSON.stringify(followed) }])
  await becomes('source_doubted', 'source_refused')
  t.same((await status()).sources, [{ agent: 'node-1', ...source, away }])
  t.match((await sluice()).stdout, /source files of agent node-1 \(\/etc\/ups\): 3 inst.*not bel/)
  t.match((await sluice()).stdout, /source_refused node-1 files .*a\.yaml:2: x/)
  const scraped = String((await it.call('GET', '/metrics')).body)
  t.match(scraped, /^sluice_source_instances\{agent="node-1",source="files"\} 3$/m)
  t.match(scraped, /^sluice_source_stale_seconds\{agent="node-1",source="files"\} [1-9]/m)
  await registry.commit([{ type: 'delete', key: 'hosts/node-1' }])
  await becomes()

  const [own] = (await it.call('GET', '/v1/gateways')).body.gateways
  t.equal(own.nginxFetchedAtMs, undefined, 'the nginx of a user is renewed by its user')
  const stamp = join(it.gateway.home, 'nginx/sluice.json')
  mkdirSync(join(it.gateway.home, 'nginx'))
  const fetchedAtMs = Math.floor(Date.now() / 1000 - 61 * 86_400) * 1000
  const stampAs = (version: string): void => {
    writeFileSync(stamp, JSON.stringify({ version, njs: own.njs }))
    utimesSync(stamp, fetchedAtMs / 1000, fetchedAtMs / 1000)
  }
  stampAs('1.0.0')
  t.match((await sluice()).stdout, `nginx ${own.nginx}, njs ${own.njs}\n`, 'another one runs')
  stampAs(own.nginx)
  await becomes('nginx_old')
  t.match((await status()).findings, [{ cure: /sluice update/, subject: own.id }])
  const old = (await sluice()).stdout
  t.match(old, `nginx ${own.nginx}, njs ${own.njs}, fetched 61 days ago\n`)
  t.equal((await it.call('GET', '/v1/gateways')).body.gateways[0].nginxFetchedAtMs, fetchedAtMs)
  utimesSync(stamp, Date.now() / 1000, Date.now() / 1000)
  await becomes()
  await until(() => events.length === 16, { what: 'each to begin and to end' })
  t.same([...events].sort(), [
    'address_unreached begun',
    'address_unreached ended',
    'host_contested begun',
    'host_contested ended',
    'nginx_old begun',
    'nginx_old ended',
    'registry_away begun',
    'registry_away ended',
    'source_doubted begun',
    'source_doubted ended',
    'source_refused begun',
    'source_refused ended',
    'upstream_down begun',
    'upstream_down ended',
    'values_refused begun',
    'values_refused ended',
  ])
})
