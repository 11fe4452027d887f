/** Every source of an agent holds what source-suite.ts says, against the real thing. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Etcd3 } from 'etcd3'
import t, { type Test } from 'tap'
import { openConsul } from '../../agent/sources/consul/consul.js'
import { openKeysSource } from '../../agent/sources/etcd-keys/etcd-keys.js'
import { FilesSource } from '../../agent/sources/files/files-source.js'
import { startConsul } from '../../lab/engines/consul.js'
import { startEtcd } from '../../lab/engines/etcd.js'
import { temporaryFolder } from '../../lab/temp.js'
import { silentLogger as log } from '../../runtime/logger.js'
import { sourceConformance } from '../support/source-suite.js'
import type { SourceDriver, SuiteEntry } from '../support/source-suite.js'

/** A file for each entry, written as editors do: beside it, and then in its place. */
async function filesDriver(t: Test): Promise<SourceDriver> {
  const folder = join(temporaryFolder(t, 'files'), 'upstreams')
  await mkdir(folder)
  const write = async (name: string, text: string) => {
    await writeFile(join(folder, `.${name}.swp`), text)
    await rename(join(folder, `.${name}.swp`), join(folder, `${name}.yaml`))
  }
  const put = ({ name, upstream, host, port }: SuiteEntry) =>
    write(name, `upstreams: {${upstream}: {instances: [{host: ${host}, port: ${port}}]}}\n`)
  return {
    open: (agent) =>
      new FilesSource({ folder, agent, addresses: { allowLoopback: false }, pollMs: 20 }),
    put: async (entries) => {
      await Promise.all(entries.map(put))
    },
    remove: (name) => rm(join(folder, `${name}.yaml`)),
    garbage: (name) => write(name, 'upstreams: {web: {instances: [{host: nowhere}]}}\n'),
    away: () => rename(folder, `${folder}.away`),
    back: () => rename(`${folder}.away`, folder),
    wipe: async () => {
      await rm(folder, { recursive: true })
      await mkdir(folder)
    },
  }
}

/** Each upstream a service, each entry an instance at a node of its own, as registrator writes. */
async function consulDriver(t: Test): Promise<SourceDriver> {
  const consul = await startConsul()
  t.teardown(() => consul.stop())
  const node = { Node: 'outside', Address: '10.9.9.9' }
  const put = ({ name, upstream, host, port }: SuiteEntry, meta = {}) => {
    const service = { ID: name, Service: upstream, Address: host, Port: port, Meta: meta }
    return consul.put('catalog/register', { ...node, Service: service })
  }
  const place = { url: consul.url, token: undefined, tokenFile: undefined, ca: undefined }
  const which = { datacenter: undefined, tag: undefined, isWarningServed: false }
  return {
    open: (agent) =>
      openConsul({ ...place, ...which, machine: { agent, allowLoopback: false }, log }),
    put: async (entries) => {
      await inGroups(entries, 25, (group) => Promise.all(group.map((entry) => put(entry))))
    },
    remove: (name) => consul.put('catalog/deregister', { ...node, ServiceID: name }),
    garbage: (name) => {
      const entry = { name, upstream: name, host: '10.0.0.9', port: 80 }
      return put(entry, { sluice_weight: 'heavy' })
    },
    away: () => consul.kill9(),
    back: () => consul.restart(),
    wipe: () => consul.put('catalog/deregister', node),
  }
}

async function etcdDriver(t: Test): Promise<SourceDriver> {
  const etcd = await startEtcd()
  const client = new Etcd3({ hosts: etcd.url })
  const upstreams = new Map<string, string>()
  t.teardown(async () => {
    client.close()
    await etcd.stop()
  })
  const put = async ({ name, upstream, host, port }: SuiteEntry) => {
    upstreams.set(name, upstream)
    await client.put(`/services/${upstream}/${name}`).value(`${host}:${port}`)
  }
  const settings = { username: undefined, password: undefined }
  const files = { ca: undefined, certificate: undefined, key: undefined }
  return {
    open: (agent) =>
      openKeysSource({
        ...{ url: `${etcd.url.replace('http', 'etcd')}/services`, etcd: { ...settings, ...files } },
        ...{ machine: { agent, allowLoopback: false }, log },
      }),
    put: async (entries) => {
      await inGroups(entries, 25, (group) => Promise.all(group.map(put)))
    },
    remove: async (name) => {
      await client.delete().key(`/services/${upstreams.get(name) ?? 'web'}/${name}`)
    },
    garbage: async (name) => {
      await client.put(`/services/web/${name}`).value('{"host":')
    },
    away: () => etcd.kill9(),
    back: () => etcd.restart(),
    wipe: async () => {
      await client.delete().prefix('/services/')
    },
  }
}

async function inGroups<T>(
  items: readonly T[],
  size: number,
  work: (group: T[]) => Promise<unknown>,
): Promise<void> {
  for (let i = 0; i < items.length; i += size) {
    await work(items.slice(i, i + size))
  }
}

sourceConformance(t, 'files', filesDriver)
sourceConformance(t, 'consul', consulDriver)
sourceConformance(t, 'etcd', etcdDriver)
