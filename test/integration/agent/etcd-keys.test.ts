/** The source `etcd` against a real etcd: keys as people put them, and leases that end. */
import t from 'tap'
import { openKeysSource } from '../../../agent/sources/etcd-keys/etcd-keys.js'
import type { SourceLevel } from '../../../agent/sources/source.js'
import { startEtcd } from '../../../lab/engines/etcd.js'
import { until } from '../../../lab/until.js'
import { silentLogger as log } from '../../../runtime/logger.js'

t.test('keys that etcdctl puts', async (t) => {
  const etcd = await startEtcd()
  const none = { username: undefined, password: undefined, ca: undefined }
  const source = openKeysSource({
    url: `${etcd.url.replace('http', 'etcd')}/services`,
    etcd: { ...none, certificate: undefined, key: undefined },
    machine: { agent: 'm1', allowLoopback: false },
    log,
  })
  const ending = new AbortController()
  const levels: SourceLevel[] = []
  const running = source.run(ending.signal, {
    onLevel: (level) => levels.push(level),
    onAway: () => undefined,
  })
  t.teardown(async () => {
    ending.abort()
    await running
    await etcd.stop()
  })
  const shows = (...lines: string[]) =>
    until(
      () =>
        levels
          .at(-1)
          ?.instances.map(({ upstream, record }) => `${upstream} ${record.host}:${record.port}`)
          .join() === lines.join(),
      { what: lines.join() },
    )

  await etcd.ctl('put', '/services/apache/1', '10.0.0.7:80')
  await shows('apache 10.0.0.7:80')
  t.equal(levels.at(-1)?.instances[0]?.id, 'm1:etcd:apache:1')
  await etcd.ctl('put', '/servicesother/x/1', '10.0.0.8:80')
  const upsync = '{"weight":3,"max_fails":2,"fail_timeout":5,"down":0}'
  await etcd.ctl('put', '/services/shop/10.0.0.9:81', upsync)
  await shows('apache 10.0.0.7:80', 'shop 10.0.0.9:81')
  t.equal(levels.at(-1)?.instances[1]?.record.weight, 3)
  const { eject } = levels.at(-1)?.settings.get('shop')?.policy ?? {}
  t.match(eject, { maxFails: 2, failTimeoutMs: 5000 })

  const granted = await etcd.ctl('lease', 'grant', '600')
  const lease = /lease (\w+) granted/.exec(granted)?.[1] ?? ''
  await etcd.ctl('put', `--lease=${lease}`, '/services/lent/1', 'http://10.0.0.10:80')
  await shows('apache 10.0.0.7:80', 'lent 10.0.0.10:80', 'shop 10.0.0.9:81')
  await etcd.ctl('lease', 'revoke', lease)
  await shows('apache 10.0.0.7:80', 'shop 10.0.0.9:81')
  await etcd.ctl('put', '/services/shop/2', '10.0.0.9')
  await until(() => levels.at(-1)?.refused.length === 1)
  t.match(levels.at(-1)?.refused, [{ name: 'shop/2', text: /must be <ip>:<port>/ }])
  await etcd.ctl('del', '/services/apache/1')
  await shows('shop 10.0.0.9:81')
  t.match(await source.readOnce(), { instances: [{ upstream: 'shop' }] })
})
