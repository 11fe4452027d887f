/** A private Docker engine in namespaces of its own, whose containers are reached from here. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { unusedSubnets, type Subnets } from './network.js'
import { makeTemporaryFolder, removeFolder } from '../temp.js'
import { dockerTools } from '../tools.js'
import { until } from '../until.js'

export { importImage } from './docker-image.js'
export { dockerUnavailable } from './docker-unavailable.js'

const run = promisify(execFile)

/** Where the temporary folder is to be found inside. */
const INSIDE = '/run/sluice'

/**
 * Makes the unpacked tree the root of a mount namespace, so that dockerd, containerd and runc find
 * one another at their usual places, and keeps the namespaces alive. Its end ends all in them.
 */
const HOLD_NAMESPACES = `set -e
root=$1 folder=$2
read -r pid rest </proc/self/stat
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
for name in run tmp var; do mount -t tmpfs tmpfs "$name"; done
mkdir .${INSIDE}
mount --bind "$folder" .${INSIDE}
pivot_root . old
exec /usr/bin/docker-init -- /usr/bin/busybox sh -c "
  umount -l /old
  PATH=/usr/sbin:/usr/bin ip link set lo up
  echo $pid
  exec sleep 2147483647"
`

/** Starts a private Docker engine whose containers can be reached from here by their addresses. */
export async function startDockerd(options: { liveRestore?: boolean } = {}): Promise<Dockerd> {
  const { dockerRoot } = await dockerTools()
  const folder = makeTemporaryFolder('docker')
  const flags = ['--net', '--mount', '--pid', '--fork', '--kill-child']
  const script = ['sh', '-c', HOLD_NAMESPACES, 'sh', dockerRoot, folder]
  const holder = spawn('unshare', [...flags, ...script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [pid] = (await once(createInterface(holder.stdout), 'line')) as [string]
  const dockerd = new Dockerd(folder, holder, Number(pid), options.liveRestore ?? true)
  await dockerd.connect()
  await dockerd.restart()
  return dockerd
}

export class Dockerd {
  readonly socket: string
  /** A process in the engine's namespaces, for `nsenter -t`. */
  readonly pid: number
  /** The network namespace, for `nsenter --net=`. */
  readonly netns: string
  /** This machine's address on the containers' network. */
  readonly hostAddress: string
  readonly #folder: string
  readonly #holder: ChildProcess
  readonly #liveRestore: boolean
  readonly #subnets: Subnets = unusedSubnets()
  #daemon: ChildProcess | undefined

  constructor(folder: string, holder: ChildProcess, pid: number, liveRestore: boolean) {
    this.#folder = folder
    this.#holder = holder
    this.#liveRestore = liveRestore
    this.pid = pid
    this.netns = `/proc/${pid}/ns/net`
    this.socket = join(folder, 'docker.sock')
    this.hostAddress = this.#subnets.host
  }

  /** Ends the engine and its containers for good. */
  async stop(): Promise<void> {
    const gone = once(this.#holder, 'exit')
    this.#holder.kill('SIGKILL')
    await gone
    await this.#removeCgroups()
    removeFolder(this.#folder)
  }

  /** Kills the daemon; with live restore, its containers run on. */
  async kill9(): Promise<void> {
    await this.#end('KILL')
  }

  /** Ends the daemon, if it runs, and starts it again at the same socket. */
  async restart(): Promise<void> {
    await this.#end('TERM')
    const log = openSync(join(this.#folder, 'dockerd.log'), 'a')
    const command = ['/usr/bin/busybox', 'env', '-i', 'PATH=/usr/sbin:/usr/bin', 'dockerd']
    const args = [...this.#enter('-m', '-n', '-p'), ...command, ...this.#flags()]
    this.#daemon = spawn('nsenter', args, { stdio: ['ignore', log, log] })
    await until(() => this.#answers(), { deadlineMs: 60_000, what: 'a dockerd that answers' })
  }

  /** Docker's command line, to this engine. */
  async docker(...args: string[]): Promise<string> {
    const { docker } = await dockerTools()
    const { stdout } = await run(docker, ['-H', `unix://${this.socket}`, ...args])
    return stdout.trim()
  }

  /** A link between this machine and the engine's namespace; it goes when the namespace does. */
  async connect(): Promise<void> {
    const { host, inside, containers } = this.#subnets
    const link = `sluice${this.pid}`
    // In the namespace's own /proc, the process that holds it has the number 1.
    await this.#ip(['link', 'add', link, 'type', 'veth', 'peer', 'name', 'host', 'netns', '1'])
    await this.#ip(['addr', 'add', `${host}/30`, 'dev', link])
    await this.#ip(['link', 'set', link, 'up'])
    await this.#ip(['addr', 'add', `${inside}/30`, 'dev', 'host'], '-n')
    await this.#ip(['link', 'set', 'host', 'up'], '-n')
    await this.#ip(['route', 'add', 'default', 'via', host], '-n')
    await this.#ip(['route', 'add', containers, 'via', inside])
  }

  async #ip(args: string[], ...namespaces: string[]): Promise<void> {
    await run('nsenter', [...this.#enter('-m', ...namespaces), '/usr/bin/ip', ...args])
  }

  #enter(...namespaces: string[]): string[] {
    return ['-t', String(this.pid), ...namespaces, '--']
  }

  #flags(): string[] {
    return [
      `--host=unix://${INSIDE}/docker.sock`,
      `--pidfile=${INSIDE}/docker.pid`,
      `--data-root=${INSIDE}/data`,
      `--exec-root=${INSIDE}/exec`,
      `--bip=${this.#subnets.bridge}`,
      // Routed, not translated: nothing of the containers' network leaves this machine.
      '--iptables=false',
      '--ip6tables=false',
      '--exec-opt=native.cgroupdriver=cgroupfs',
      `--cgroup-parent=${this.#cgroup}`,
      '--shutdown-timeout=3',
      '--log-level=warn',
      ...(this.#liveRestore ? ['--live-restore'] : []),
    ]
  }

  get #cgroup(): string {
    return `sluice-test-${this.pid}`
  }

  /** The pid file holds the number that the daemon has inside. */
  async #end(signal: 'TERM' | 'KILL'): Promise<void> {
    const daemon = this.#daemon
    this.#daemon = undefined
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) {
      return
    }
    const gone = once(daemon, 'exit')
    const number = readFileSync(join(this.#folder, 'docker.pid'), 'utf8').trim()
    const kill = ['/usr/bin/busybox', 'kill', `-${signal}`, number]
    await run('nsenter', [...this.#enter('-m', '-p'), ...kill])
    await gone
  }

  async #answers(): Promise<boolean> {
    if (this.#daemon?.exitCode !== null) {
      const log = readFileSync(join(this.#folder, 'dockerd.log'), 'utf8')
      throw new Error(`dockerd ended:\n${log.slice(-2_000)}`)
    }
    return Boolean(await this.docker('version', '--format', '{{.Server.Version}}'))
  }

  /** The kernel keeps the groups of killed containers, empty, until somebody removes them. */
  async #removeCgroups(): Promise<void> {
    for (const folder of foldersNamed(this.#cgroup, '/sys/fs/cgroup', 3)) {
      await until(() => removeTree(folder), { what: `an empty ${folder}` })
    }
  }
}

function foldersNamed(name: string, below: string, depth: number): string[] {
  return subfolders(below).flatMap((path) => {
    if (path.endsWith(`/${name}`)) {
      return [path]
    }
    return depth > 0 ? foldersNamed(name, path, depth - 1) : []
  })
}

function removeTree(folder: string): boolean {
  for (const path of subfolders(folder)) {
    removeTree(path)
  }
  rmdirSync(folder)
  return true
}

function subfolders(path: string): string[] {
  const entries = readdirSync(path, { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(path, entry.name))
}
