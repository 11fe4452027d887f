/** The programs of others that tests run, unpacked on first use. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PrivateApt } from '../setup/apt.js'
import { readIndex, unpackDebian, type Say, type UnpackRequest } from '../setup/debian.js'
import { withLock } from '../runtime/lock.js'
import { unpackNginx, type NginxInfo } from '../setup/nginx.js'
import { dockerUnavailable } from './engines/docker-unavailable.js'
import { makeTemporaryFolder, removeFolder } from './temp.js'

export interface Tools {
  /** The newest nginx: both engines, sticky. */
  nginx: NginxInfo
  /** Debian stable's: 1.26 with njs 0.8.9, no QuickJS. */
  nginxStable: NginxInfo
  etcd: string
  etcdctl: string
  openssl: string
  /** One that speaks HTTP/3. */
  curl: string
}

export interface DockerTools {
  /** The tree that holds dockerd and all it calls; only to be used as a root folder. */
  dockerRoot: string
  /** Docker's command line, to be used from anywhere. */
  docker: string
}

export const repository = dirname(dirname(fileURLToPath(import.meta.url)))
export const toolsFolder = join(repository, '.tools')

const ETCD = {
  suite: 'forky',
  packages: ['etcd-server', 'etcd-client', 'openssl'],
  programs: ['usr/bin/etcd', 'usr/bin/etcdctl', 'usr/bin/openssl'],
}

const CURL = { suite: 'forky', packages: ['curl'], programs: ['usr/bin/curl'] }

/** Of the last of Debian's releases that has it: any later C library runs it without a wrapper. */
const CONSUL = { suite: 'bullseye', packages: ['consul'], programs: [] }

const DOCKER = {
  suite: 'trixie',
  packages: ['docker.io', 'docker-cli', 'containerd', 'runc', 'tini', 'iproute2', 'busybox-static'],
  programs: ['usr/bin/docker'],
}

const EXAMPLES = {
  suite: 'trixie',
  packages: ['redis-server', 'redis-tools', 'certbot', 'pebble', 'openssl'],
  programs: [
    'usr/bin/redis-server',
    'usr/bin/redis-cli',
    // For certbot, which is a script.
    'usr/bin/python3.13',
    'usr/bin/pebble',
    'usr/bin/pebble-challtestsrv',
    'usr/bin/openssl',
  ],
}

const at = (...names: string[]): string => join(toolsFolder, ...names)
const silent: Say = () => undefined

/** What most tests need, unpacked on first use into a folder that git ignores. */
export async function tools(say: Say = silent): Promise<Tools> {
  const nginx = (suite: string, into: string): Promise<NginxInfo> =>
    unpackNginx({ suite, into: at(into), say, index: () => indexOf(suite, say) })
  const [stable, newest] = [nginx('trixie', 'nginx-stable'), nginx('forky', 'nginx')]
  await unpackOnce({ ...ETCD, into: at('etcd'), say })
  await unpackOnce({ ...CURL, into: at('curl'), say })
  return {
    nginx: await newest,
    nginxStable: await stable,
    etcd: at('etcd/bin/etcd'),
    etcdctl: at('etcd/bin/etcdctl'),
    openssl: at('etcd/bin/openssl'),
    curl: at('curl/bin/curl'),
  }
}

/** Docker, unpacked on first use where it can run. */
export async function dockerTools(say: Say = silent): Promise<DockerTools> {
  if (!dockerUnavailable()) {
    await unpackOnce({ ...DOCKER, into: at('docker'), say })
  }
  return { dockerRoot: at('docker'), docker: at('docker/bin/docker') }
}

/** Consul, unpacked on first use; its program. */
export async function consulProgram(say: Say = silent): Promise<string> {
  await unpackOnce({ ...CONSUL, into: at('consul'), say })
  return at('consul/usr/bin/consul')
}

/**
 * The tree with what readers of `examples/` are expected to have, unpacked on first use; most of it
 * can be started from its `bin`.
 */
export async function examplePrograms(say: Say = silent): Promise<string> {
  await unpackOnce({ ...EXAMPLES, into: at('example-programs'), say })
  return at('example-programs')
}

const indexes = new Map<string, Promise<PrivateApt>>()

/** The package index of a suite, read once in a process: to read it takes seconds. */
function indexOf(suite: string, say: Say): Promise<PrivateApt> {
  const index = indexes.get(suite)
  if (index !== undefined) {
    return index
  }
  const folder = makeTemporaryFolder('apt')
  process.on('exit', () => removeFolder(folder))
  const reading = readIndex(folder, suite, say)
  indexes.set(suite, reading)
  return reading
}

/** Unpacks it unless it is there already, as it was asked for. */
export async function unpackOnce(request: UnpackRequest): Promise<void> {
  const { into, suite, packages, programs } = request
  const stamp = join(into, 'sluice.json')
  const wanted = JSON.stringify({ suite, packages, programs })
  const isThere = (): boolean => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted
  if (isThere()) {
    return
  }
  const onWait = (pid: number): void => request.say(`waiting for process ${pid}`)
  await withLock(`${into}.lock`, onWait, async () => {
    if (isThere()) {
      return
    }
    const finish = async (root: string): Promise<void> => {
      for (const name of MOUNT_POINTS) {
        mkdirSync(join(root, name), { recursive: true })
      }
      writeFileSync(join(root, 'sluice.json'), wanted)
    }
    const index = () => indexOf(suite, request.say)
    await unpackDebian({ ...request, index, finish })
  })
}

/** So that the tree can be used as a root folder. */
const MOUNT_POINTS = ['dev', 'old', 'proc', 'run', 'sys', 'tmp', 'var']
