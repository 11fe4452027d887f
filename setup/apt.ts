/** apt, with a state of its own beside this machine's. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DebianArchive } from './apt-sources.js'
import { runCommand } from './command.js'
import { SetupError, type SetupErrorCode } from './errors.js'

export interface Package {
  name: string
  version: string
}

/** apt with a state, a cache and sources of its own: it neither reads nor changes the host's. */
export class PrivateApt {
  readonly #folder: string
  readonly #suite: string

  private constructor(folder: string, suite: string) {
    this.#folder = folder
    this.#suite = suite
  }

  static async create(folder: string, mirror: DebianArchive, suite: string): Promise<PrivateApt> {
    const architecture = await answer('dpkg', ['--print-architecture'])
    const transport = await transportOptions()
    for (const name of ['state/lists/partial', 'cache/archives/partial', 'empty']) {
      mkdirSync(join(folder, name), { recursive: true })
    }
    writeFileSync(join(folder, 'status'), '')
    writeFileSync(
      join(folder, 'sources.list'),
      `deb [signed-by=${mirror.keyring}] ${mirror.uri} ${suite} main\n`,
    )
    writeFileSync(join(folder, 'apt.conf'), configuration(folder, architecture) + transport)
    return new PrivateApt(folder, suite)
  }

  async update(): Promise<void> {
    await this.#run('download_failed', ['update', '-o', 'APT::Update::Error-Mode=any'])
    refuseOld(this.#suite, this.indexAtMs())
  }

  /** When the index was signed, in milliseconds since 1970. Throws where it does not say. */
  indexAtMs(): number {
    const lists = join(this.#folder, 'state/lists')
    const name = readdirSync(lists).find((each) => /_(In)?Release$/.test(each))
    return dateOf(name === undefined ? '' : readFileSync(join(lists, name), 'utf8'))
  }

  /** The packages and all they depend on. */
  async resolve(packages: readonly string[]): Promise<Package[]> {
    // To print where they are takes apt a third of the time of a simulated installation.
    const flags = ['--print-uris', '--yes', '--no-install-recommends']
    return packagesIn(await this.#run('unpack_failed', [...flags, 'install', ...packages]))
  }

  /** Fetches into `folder`; apt checks every file against the signed index. */
  async download(packages: readonly Package[], folder: string): Promise<void> {
    mkdirSync(folder, { recursive: true })
    const names = packages.map(({ name, version }) => `${name}=${version}`)
    await this.#run('download_failed', ['download', ...names], folder)
  }

  async #run(code: SetupErrorCode, args: string[], cwd = this.#folder): Promise<string> {
    const env = { ...process.env, APT_CONFIG: join(this.#folder, 'apt.conf') }
    const result = await runCommand('apt-get', ['-q', ...args], { cwd, env })
    if (result.startError) {
      throw noApt(result.startError)
    }
    if (result.code === 0) {
      return result.stdout
    }
    const words = complaints(result.stderr) || complaints(result.stdout)
    const hint = code === 'download_failed' ? ' Is the network up?' : ''
    throw new SetupError(code, `apt-get ${args[0]} failed: ${words}.${hint}`)
  }
}

/** What `--print-uris` names: `'<address>' <name>_<version>_<architecture>.deb <bytes> <hash>`. */
export function packagesIn(printed: string): Package[] {
  const files = printed.matchAll(/^'[^']*' ([^\s_]+)_([^\s_]+)_[^\s_]+\.deb /gm)
  // A file has no colon in its name, so the epoch of a version has its escape there.
  return [...files].map(([, name = '', version = '']) => {
    return { name, version: decodeURIComponent(version) }
  })
}

/**
 * The age at which a signed index is too old: whoever stands between could keep handing out the
 * index of a day on which a hole was not mended yet. Mirrors that are snapshots may be behind.
 */
const MOST_AGE_MS = 400 * 86_400_000

/** The field `Date:` of a Release file. Throws `download_failed` where there is none. */
export function dateOf(release: string): number {
  const atMs = Date.parse(/^Date: (.+)$/m.exec(release)?.[1] ?? '')
  if (Number.isNaN(atMs)) {
    throw new SetupError('download_failed', 'the package index says no date')
  }
  return atMs
}

/**
 * Suites that get no point releases any more, and the day of the last: their index is not signed
 * anew each time, so its age says nothing. One from before that day is not the last.
 */
const LAST_RELEASES = new Map([['bullseye', '2024-08-31']])

/** Throws `download_failed` for an index that nobody should serve any more. */
export function refuseOld(suite: string, atMs: number, nowMs = Date.now()): void {
  const last = LAST_RELEASES.get(suite)
  const oldestMs = last === undefined ? nowMs - MOST_AGE_MS : Date.parse(last)
  if (atMs < oldestMs) {
    const day = new Date(atMs).toISOString().slice(0, 10)
    const what = `the package index of Debian ${suite} is of ${day}, which is too old to be trusted`
    throw new SetupError('download_failed', what)
  }
}

function configuration(folder: string, architecture: string): string {
  // Valid-Until is a week or so, and a mirror may serve a snapshot: refuseOld has a limit for both.
  // As root, apt would otherwise fetch as a user who may not write here.
  return `Dir::State "${folder}/state";
Dir::State::status "${folder}/status";
Dir::Cache "${folder}/cache";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "${folder}/empty";
Dir::Etc::sourcelist "${folder}/sources.list";
Dir::Etc::sourceparts "${folder}/empty";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "${folder}/empty";
APT::Architecture "${architecture}";
APT::Architectures { "${architecture}"; };
APT::Sandbox::User "root";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "3";
`
}

/** Proxies and certificates: how this machine reaches its mirrors. */
async function transportOptions(): Promise<string> {
  const dump = await answer('apt-config', ['dump'])
  return dump
    .split('\n')
    .filter((line) => /^Acquire::https?::/i.test(line) && !line.endsWith(' "";'))
    .map((line) => `${line}\n`)
    .join('')
}

async function answer(command: string, args: string[]): Promise<string> {
  const { code, stdout, stderr, startError } = await runCommand(command, args)
  if (startError) {
    throw noApt(startError)
  }
  if (code !== 0) {
    throw new SetupError('no_apt', `${command} failed: ${stderr.trim()}`)
  }
  return stdout.trim()
}

function noApt(cause: Error): SetupError {
  return new SetupError('no_apt', 'this machine has no apt and dpkg (it is not Debian)', { cause })
}

function complaints(output: string): string {
  const lines = output.split('\n').filter((line) => /^(E|W|Err):/.test(line))
  return lines.slice(-3).join('; ').replace(/\.$/, '')
}
