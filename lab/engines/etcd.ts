/** A real etcd of one member on loopback, which tests stop, kill, freeze and empty. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { get as getSecurely } from 'node:https'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { statFields } from '../../runtime/process-stat.js'
import { makeCertificates, type EtcdCertificates } from './certificates.js'
import { freePortRange } from '../ports.js'
import { makeTemporaryFolder, removeFolder } from '../temp.js'
import { tools } from '../tools.js'
import { until } from '../until.js'

export interface EtcdServerOptions {
  /** Serve TLS and ask clients for a certificate. */
  tls?: boolean
  /** Ask for a password: of `root`, or of `sluice`, who owns the keys below /sluice/. */
  auth?: boolean
  /** How large its database may be; 2 GB by default. */
  quotaBytes?: number
}

const PASSWORD = 'test-password'
const PREFIX = '/sluice/'

const run = promisify(execFile)

/** Starts a real etcd of one member on loopback, with data that goes when it is stopped. */
export async function startEtcd(options: EtcdServerOptions = {}): Promise<Etcd> {
  const folder = makeTemporaryFolder('etcd')
  const certificates = options.tls ? await makeCertificates(folder) : undefined
  const etcd = new Etcd(folder, await freePortRange(2), certificates, options.quotaBytes)
  await etcd.restart()
  if (options.auth) {
    await etcd.enableAuth()
  }
  return etcd
}

export class Etcd {
  readonly url: string
  readonly clientPort: number
  readonly certificates: EtcdCertificates | undefined
  readonly #folder: string
  readonly #quotaBytes: number | undefined
  /** Set when etcd asks for a password. */
  auth: { username: string; password: string } | undefined
  #process: ChildProcess | undefined
  #words = ''

  constructor(
    folder: string,
    port: number,
    certificates: EtcdCertificates | undefined,
    quotaBytes: number | undefined,
  ) {
    this.#quotaBytes = quotaBytes
    this.clientPort = port
    this.certificates = certificates
    this.url = `${certificates ? 'https' : 'http'}://127.0.0.1:${port}`
    this.#folder = folder
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    await this.#end('SIGKILL')
    removeFolder(this.#folder)
  }

  async kill9(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Until it is stopped: on a busy machine it may answer for a while after the signal. */
  async sigstop(): Promise<void> {
    const process = this.#process
    process?.kill('SIGSTOP')
    const isStopped = (): boolean => {
      const stat = readFileSync(`/proc/${process?.pid}/stat`, 'utf8')
      return statFields(stat)[0] === 'T'
    }
    await until(isStopped, { what: 'etcd to stop' })
  }

  sigcont(): void {
    this.#process?.kill('SIGCONT')
  }

  /** Ends it, if it runs, and starts it with the same data at the same address. */
  async restart(): Promise<void> {
    await this.#end('SIGTERM')
    const { etcd } = await tools()
    this.#process = spawn(etcd, this.#flags(), { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#words = ''
    this.#process.stderr?.on('data', (chunk) => (this.#words += String(chunk)))
    await until(() => this.#isHealthy(), { deadlineMs: 20_000, what: 'a healthy etcd' })
  }

  /** The same address, and nothing that was in it; users and passwords are gone, too. */
  async wipe(): Promise<void> {
    await this.#end('SIGKILL')
    removeFolder(join(this.#folder, 'data'))
    this.auth = undefined
    await this.restart()
  }

  /** Forgets history before a revision; without one, before the present. */
  async compact(revision?: number): Promise<void> {
    await this.ctl('compaction', String(revision ?? (await this.revision())))
  }

  async revision(): Promise<number> {
    const answer = await this.ctl('endpoint', 'status', '--write-out=json')
    const [status] = JSON.parse(answer) as { Status: { header: { revision: number } } }[]
    return status?.Status.header.revision ?? 0
  }

  /** etcdctl, as root, to this etcd. */
  async ctl(...args: string[]): Promise<string> {
    const { etcdctl } = await tools()
    const { stdout } = await run(etcdctl, [...this.#access(), ...args])
    return stdout
  }

  async enableAuth(): Promise<void> {
    for (const name of ['root', 'sluice']) {
      await this.ctl('role', 'add', name)
      await this.ctl('user', 'add', `${name}:${PASSWORD}`)
      await this.ctl('user', 'grant-role', name, name)
    }
    await this.ctl('role', 'grant-permission', '--prefix=true', 'sluice', 'readwrite', PREFIX)
    await this.ctl('auth', 'enable')
    this.auth = { username: 'sluice', password: PASSWORD }
  }

  #access(): string[] {
    const { ca, client } = this.certificates ?? {}
    const tls =
      ca && client ? [`--cacert=${ca}`, `--cert=${client.cert}`, `--key=${client.key}`] : []
    const auth = this.auth ? [`--user=root:${PASSWORD}`] : []
    return [`--endpoints=${this.url}`, ...tls, ...auth]
  }

  #flags(): string[] {
    const peer = `http://127.0.0.1:${this.clientPort + 1}`
    const { ca, server } = this.certificates ?? {}
    const tls = ca && server && ['--client-cert-auth', `--trusted-ca-file=${ca}`]
    const pair = server && [`--cert-file=${server.cert}`, `--key-file=${server.key}`]
    return [
      `--data-dir=${join(this.#folder, 'data')}`,
      `--listen-client-urls=${this.url}`,
      `--advertise-client-urls=${this.url}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      '--log-level=error',
      // A member on its own need not wait long for others before it leads again.
      '--heartbeat-interval=20',
      '--election-timeout=200',
      // A kill loses nothing that was written; only the machine's crash would.
      '--unsafe-no-fsync',
      ...(this.#quotaBytes === undefined ? [] : [`--quota-backend-bytes=${this.#quotaBytes}`]),
      ...(tls ?? []),
      ...(pair ?? []),
    ]
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const running = this.#process
    this.#process = undefined
    if (!running || running.exitCode !== null || running.signalCode !== null) {
      return
    }
    const gone = once(running, 'exit')
    running.kill(signal)
    // Stopped, it would not hear anything gentler than SIGKILL.
    running.kill('SIGCONT')
    await gone
  }

  async #isHealthy(): Promise<boolean> {
    if (this.#process?.exitCode !== null) {
      throw new Error(`etcd ended: ${this.#words}`)
    }
    const { ca, client } = this.certificates ?? {}
    const files = ca && client && { ca, ...client }
    const read = Object.entries(files ?? {}).map(([name, file]) => [name, readFileSync(file)])
    const fetch = files ? getSecurely : get
    return new Promise((resolve, reject) => {
      const call = fetch(
        `${this.url}/health`,
        { ...Object.fromEntries(read), agent: false },
        (r) => {
          r.resume()
          resolve(r.statusCode === 200)
        },
      )
      call.setTimeout(1_000, () => call.destroy()).on('error', reject)
    })
  }
}
