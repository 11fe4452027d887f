/** The programs of others that tests run, unpacked on first use. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unpackDebian, type Say, type UnpackRequest } from '../setup/debian.js'
import { withLock } from '../runtime/lock.js'
import { unpackNginx, type NginxInfo } from '../setup/nginx.js'
import { dockerUnavailable } from './engines/docker-unavailable.js'

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
  /** The tree that holds dockerd and all it calls; only to be used as a root folder. */
  dockerRoot: string
  /** Docker's command line, to be used from anywhere. */
  docker: string
  /**
   * The tree with what readers of `examples/` are expected to have; most of it can be started from
   * its `bin`.
   */
  examples: string
}

export const repository = dirname(dirname(fileURLToPath(import.meta.url)))
export const toolsFolder = join(repository, '.tools')

const ETCD = {
  suite: 'forky',
  packages: ['etcd-server', 'etcd-client', 'openssl'],
  programs: ['usr/bin/etcd', 'usr/bin/etcdctl', 'usr/bin/openssl'],
}

const CURL = { suite: 'forky', packages: ['curl'], programs: ['usr/bin/curl'] }

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

/** Programs that tests need, unpacked on first use into a folder that git ignores. */
export async function tools(say: Say = () => undefined): Promise<Tools> {
  const at = (...names: string[]): string => join(toolsFolder, ...names)
  const stable = unpackNginx({ suite: 'trixie', into: at('nginx-stable'), say })
  const newest = unpackNginx({ suite: 'forky', into: at('nginx'), say })
  await unpackOnce({ ...ETCD, into: at('etcd'), say })
  await unpackOnce({ ...CURL, into: at('curl'), say })
  await unpackOnce({ ...EXAMPLES, into: at('example-programs'), say })
  if (!dockerUnavailable()) {
    await unpackOnce({ ...DOCKER, into: at('docker'), say })
  }
  return {
    nginx: await newest,
    nginxStable: await stable,
    etcd: at('etcd/bin/etcd'),
    etcdctl: at('etcd/bin/etcdctl'),
    openssl: at('etcd/bin/openssl'),
    curl: at('curl/bin/curl'),
    dockerRoot: at('docker'),
    docker: at('docker/bin/docker'),
    examples: at('example-programs'),
  }
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
    await unpackDebian({ ...request, finish })
  })
}

/** So that the tree can be used as a root folder. */
const MOUNT_POINTS = ['dev', 'old', 'proc', 'run', 'sys', 'tmp', 'var']

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await tools((line) => console.log(`tools: ${line}`))
}
