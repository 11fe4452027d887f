/** Where the fallback goes in each mode, and how it is checked there. */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { printAddress } from '../../contract/guard/address.js'
import type { Logger } from '../../runtime/logger.js'
import type { Settings } from '../../runtime/config/settings.js'
import { canTakeAddress, checkConf } from './nginx-test.js'
import type { Desired } from '../state/desired.js'
import { CERTIFICATES_FILE, Fallback, STREAMS_FILE, UPSTREAMS_FILE } from './kept-file.js'
import type { Candidate, FallbackOptions } from './kept-file.js'
import { renderCertificates } from './certificate-conf.js'
import { renderFallback } from './http-conf.js'
import type { ConfPlacement } from './http-conf.js'
import { renderStreams } from './stream-conf.js'
import { makeReload } from './reload.js'

type Given = Pick<FallbackOptions, 'isBusy' | 'isTrusted' | 'emptyHoldMs' | 'onError' | 'onWritten'>

export interface PlaceOptions extends Given {
  settings: Settings
  log: Logger
  desired(): Desired
  /** Whether certificates may still come that nobody has read yet. */
  awaitsCertificates(): boolean
}

const DEBOUNCE_MS = 500
const FILE_DEBOUNCE_MS = 100
const MIN_INTERVAL_MS = 2000

/** The user's nginx, the private one, or the one of the PATH; undefined when there is none. */
function findNginx(settings: Settings): string | undefined {
  if (settings.nginx !== undefined) {
    return settings.nginx
  }
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const candidates = [join(settings.home, 'nginx/bin/nginx')].concat(
    folders.map((folder) => join(folder, 'nginx')),
  )
  return candidates.find((path) => existsSync(path))
}

function placeOf(settings: Settings): ConfPlacement {
  const { home, file, bind, httpPort, trustedProxies, rawPaths, maxBodyBytes } = settings
  if (settings.mode === 'gateway') {
    const headersPath = join(home, 'sluice/hop-headers.conf')
    return { kind: 'hop', socketPath: join(home, 'hop/fallback.sock'), headersPath }
  }
  const listen = file.listen?.split(',') ?? [printAddress(bind, httpPort)]
  const nginx = trustedProxies.length === 0 ? undefined : findNginx(settings)
  const hasRealip = nginx !== undefined && canTakeAddress(nginx)
  return { kind: 'front', listen, maxBodyBytes, trustedProxies, hasRealip, rawPaths }
}

/** The same with sockets in a folder for the check, so that nothing that is in use is touched. */
async function inFolder(place: ConfPlacement, folder: string): Promise<ConfPlacement> {
  const socketPath = join(folder, 'f.sock')
  if (place.kind === 'front') {
    return { ...place, listen: [`unix:${socketPath}`] }
  }
  if (existsSync(place.headersPath)) {
    return { ...place, socketPath }
  }
  // nginx was never set up in this home; what it includes there is checked when it is.
  const headersPath = join(folder, 'headers.conf')
  await writeFile(headersPath, '')
  return { kind: 'hop', socketPath, headersPath }
}

async function check(
  { settings, log }: PlaceOptions,
  render: (folder: string) => Promise<string>,
): Promise<void> {
  const nginx = findNginx(settings)
  if (nginx === undefined) {
    log.warn('there is no nginx to check the fallback file with; set SLUICE_NGINX')
    return
  }
  await checkConf({ nginx, home: settings.home, isHop: settings.mode === 'gateway' }, render)
}

function make(
  options: PlaceOptions,
  own: Pick<FallbackOptions, 'file' | 'render'> & Partial<FallbackOptions>,
): Fallback {
  const { file, mode, home } = options.settings
  const isFile = mode === 'file'
  const folder = file.directory ?? join(home, 'fallback')
  return new Fallback({
    ...options,
    ...own,
    folder,
    stateFolder: isFile ? join(home, 'file-mode') : folder,
    ...(isFile && { access: file.access }),
    debounceMs: isFile ? FILE_DEBOUNCE_MS : DEBOUNCE_MS,
    minIntervalMs: isFile ? file.minIntervalMs : MIN_INTERVAL_MS,
  })
}

function makeUpstreams(options: PlaceOptions): Fallback {
  const { settings } = options
  const place = placeOf(settings)
  const { mode, file } = settings
  const nginx = () => findNginx(settings)
  const apply =
    mode === 'file' ? makeReload({ settings: file, nginx, log: options.log }) : undefined
  let last: { from: Desired; candidate: Candidate } | undefined
  const renderOf = (now: Desired): Candidate => {
    const renderIn = (where: ConfPlacement) => renderFallback(now, settings.domains, where)
    return {
      body: renderIn(place),
      revision: now.revision,
      check: () => check(options, async (folder) => renderIn(await inFolder(place, folder))),
    }
  }
  const render = (): Candidate => {
    const now = options.desired()
    const candidate = last?.from === now ? last.candidate : renderOf(now)
    last = { from: now, candidate }
    return candidate
  }
  return make(options, { file: UPSTREAMS_FILE, render, ...(apply !== undefined && { apply }) })
}

/** What does not depend on where it stands. */
function candidate(options: PlaceOptions, body: string, { revision }: Desired): Candidate {
  return { body, revision, check: () => check(options, () => Promise.resolve(body)) }
}

/** What TLS clients are shown. It is a file of its own, because it has keys and changes seldom. */
function makeCertificates(options: PlaceOptions): Fallback {
  const render = (): Candidate => {
    const now = options.desired()
    return candidate(options, renderCertificates(now.certificates.values()), now)
  }
  const isTrusted = (): boolean => options.isTrusted() && !options.awaitsCertificates()
  return make(options, { file: CERTIFICATES_FILE, render, isTrusted })
}

/**
 * Who serves connections. It is tested inside http{}, which has the same directives: the module of
 * stream{} may have to be loaded first.
 */
function makeStreams(options: PlaceOptions): Fallback {
  const render = (): Candidate => {
    const now = options.desired()
    return candidate(options, renderStreams(now), now)
  }
  return make(options, { file: STREAMS_FILE, render })
}

/** All that is kept on disk for an nginx without a table. */
export class Fallbacks {
  readonly #desired: () => Desired
  readonly #upstreams: Fallback
  readonly #certificates: Fallback | undefined
  readonly #streams: Fallback | undefined
  #offered: Desired['certificates'] | undefined

  constructor(options: PlaceOptions) {
    this.#desired = () => options.desired()
    this.#upstreams = makeUpstreams(options)
    const isGateway = options.settings.mode === 'gateway'
    this.#certificates = isGateway ? makeCertificates(options) : undefined
    this.#streams = isGateway ? makeStreams(options) : undefined
  }

  get revision(): number {
    return this.#upstreams.revision
  }

  get error(): string | undefined {
    return this.#upstreams.error ?? this.#certificates?.error ?? this.#streams?.error
  }

  /** The desired state may be another one now. */
  offer(): void {
    this.#upstreams.offer()
    this.#streams?.offer()
    const { certificates } = this.#desired()
    if (certificates !== this.#offered) {
      this.#offered = certificates
      this.#certificates?.offer()
    }
  }

  async close(): Promise<void> {
    await Promise.all([
      this.#upstreams.close(),
      this.#certificates?.close(),
      this.#streams?.close(),
    ])
  }
}
