/** The files that are kept for an nginx without a table, and what each of them holds. */
import type { Logger } from '../../runtime/logger.js'
import type { Settings } from '../../runtime/config/settings.js'
import { findNginx } from './find-nginx.js'
import { checkConf } from './ask-nginx.js'
import type { Desired } from '../state/desired.js'
import { CERTIFICATES_FILE, STREAMS_FILE, UPSTREAMS_FILE } from './generations.js'
import { FallbackFile } from './fallback-file.js'
import type { Candidate, FallbackFileOptions } from './fallback-file.js'
import { renderCertificates } from './certificate-fallback.js'
import { renderFallback } from './http-fallback.js'
import type { ConfPlacement } from './http-fallback.js'
import { renderStreams } from './stream-fallback.js'
import { inFolder, placementOf } from './placement.js'
import type { Placement } from './placement.js'
import { makeReload } from './reload.js'

type Given = Pick<
  FallbackFileOptions,
  'isBusy' | 'isTrusted' | 'emptyHoldMs' | 'onError' | 'onWritten'
>

export interface FallbacksOptions extends Given {
  settings: Settings
  log: Logger
  desired(): Desired
  /** Whether certificates may still come that nobody has read yet. */
  awaitsCertificates(): boolean
}

async function check(
  { settings, log }: FallbacksOptions,
  { isHop }: Placement,
  render: (folder: string) => Promise<string>,
): Promise<void> {
  const nginx = findNginx(settings)
  if (nginx === undefined) {
    log.warn('there is no nginx to check the fallback file with; set SLUICE_NGINX')
    return
  }
  await checkConf({ nginx, home: settings.home, isHop }, render)
}

function make(
  options: FallbacksOptions,
  { disk }: Placement,
  own: Pick<FallbackFileOptions, 'file' | 'render'> & Partial<FallbackFileOptions>,
): FallbackFile {
  return new FallbackFile({ ...options, ...disk, ...own })
}

function makeUpstreams(options: FallbacksOptions, placement: Placement): FallbackFile {
  const { settings, log } = options
  const { conf, reload } = placement
  const nginx = () => findNginx(settings)
  const apply = reload === undefined ? undefined : makeReload({ settings: reload, nginx, log })
  let last: { from: Desired; candidate: Candidate } | undefined
  const renderOf = (now: Desired): Candidate => {
    const renderIn = (where: ConfPlacement) => renderFallback(now, settings.domains, where)
    return {
      body: renderIn(conf),
      revision: now.revision,
      check: () =>
        check(options, placement, async (folder) => renderIn(await inFolder(conf, folder))),
    }
  }
  const render = (): Candidate => {
    const now = options.desired()
    const candidate = last?.from === now ? last.candidate : renderOf(now)
    last = { from: now, candidate }
    return candidate
  }
  return make(options, placement, {
    file: UPSTREAMS_FILE,
    render,
    ...(apply !== undefined && { apply }),
  })
}

/** What does not depend on where it stands. */
function candidate(
  options: FallbacksOptions,
  placement: Placement,
  body: string,
  { revision }: Desired,
): Candidate {
  return { body, revision, check: () => check(options, placement, () => Promise.resolve(body)) }
}

/** What TLS clients are shown. It is a file of its own, because it has keys and changes seldom. */
function makeCertificates(options: FallbacksOptions, placement: Placement): FallbackFile {
  const render = (): Candidate => {
    const now = options.desired()
    return candidate(options, placement, renderCertificates(now.certificates.values()), now)
  }
  const isTrusted = (): boolean => options.isTrusted() && !options.awaitsCertificates()
  return make(options, placement, { file: CERTIFICATES_FILE, render, isTrusted })
}

/**
 * Who serves connections. It is tested inside http{}, which has the same directives: the module of
 * stream{} may have to be loaded first.
 */
function makeStreams(options: FallbacksOptions, placement: Placement): FallbackFile {
  const render = (): Candidate => {
    const now = options.desired()
    return candidate(options, placement, renderStreams(now), now)
  }
  return make(options, placement, { file: STREAMS_FILE, render })
}

/** All that is kept on disk for an nginx without a table. */
export class Fallbacks {
  readonly #desired: () => Desired
  readonly #upstreams: FallbackFile
  readonly #certificates: FallbackFile | undefined
  readonly #streams: FallbackFile | undefined
  #offered: Desired['certificates'] | undefined

  constructor(options: FallbacksOptions) {
    this.#desired = () => options.desired()
    const placement = placementOf(options.settings)
    const { isHop } = placement
    this.#upstreams = makeUpstreams(options, placement)
    this.#certificates = isHop ? makeCertificates(options, placement) : undefined
    this.#streams = isHop ? makeStreams(options, placement) : undefined
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
