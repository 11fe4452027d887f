/** nginx with njs: the user's own, or a private one that is unpacked at its first use. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { unpackDebian, type Say, type UnpackRequest } from './debian.js'
import { SetupError } from './errors.js'
import { withLock } from '../runtime/lock.js'
import { NGINX_STAMP, fetchedNginx, privateNginxIn } from '../runtime/private-nginx.js'
import { inspectNginx, nginxInfo, type NginxInfo } from './nginx-inspect.js'

export type { NginxInfo } from './nginx-inspect.js'

const NEWEST_SUITE = 'forky'
const PACKAGES = [
  'nginx',
  'nginx-common',
  'libnginx-mod-http-js',
  'libnginx-mod-stream',
  'libnginx-mod-stream-js',
]
const PROGRAM = 'usr/sbin/nginx'
/** Raised when what is unpacked changes, so that an older folder is made anew. */
const LAYOUT = 2

/** The user's own nginx, checked, or else the private one, unpacked at its first use. */
export async function ensureNginx(request: {
  home: string
  nginx?: string | undefined
  say: Say
}): Promise<NginxInfo> {
  const { home, nginx, say } = request
  if (nginx) {
    return inspectOwn(locate(nginx))
  }
  try {
    return await unpackNginx({ suite: NEWEST_SUITE, into: privateNginxIn(home), say })
  } catch (error) {
    throw error instanceof SetupError ? withAdvice(error) : error
  }
}

/** nginx with njs from a suite of Debian, in a folder of its own. */
export async function unpackNginx(request: {
  suite: string
  into: string
  say: Say
  index?: UnpackRequest['index']
}): Promise<NginxInfo> {
  const { suite, say, index } = request
  const into = resolve(request.into)
  const known = recall(into, suite)
  if (known) {
    return known
  }
  const onWait = (pid: number): void => say(`waiting for process ${pid}, which unpacks nginx`)
  return withLock(`${into}.lock`, onWait, async () => {
    const unpacked = recall(into, suite)
    if (unpacked) {
      return unpacked
    }
    const info = await fetchNginx({ suite, into, say, index })
    say(`nginx ${info.version} with njs ${info.njs} is ready`)
    return info
  })
}

/** The private nginx of a home, fetched anew. When it rejects, the one that is there stays. */
export async function renewPrivateNginx(home: string, say: Say): Promise<NginxInfo> {
  const into = privateNginxIn(home)
  const onWait = (pid: number): void => say(`waiting for process ${pid}, which unpacks nginx`)
  return withLock(`${into}.lock`, onWait, () => fetchNginx({ suite: NEWEST_SUITE, into, say }))
}

/** Callers hold the lock. */
async function fetchNginx(
  request: Pick<UnpackRequest, 'suite' | 'into' | 'say' | 'index'>,
): Promise<NginxInfo> {
  const { suite, into } = request
  const finish = (root: string, packages: string[]): Promise<void> =>
    remember(root, suite, packages)
  await unpackDebian({ ...request, packages: PACKAGES, programs: [PROGRAM], finish })
  const info = recall(into, suite)
  if (!info) {
    throw new SetupError('unpack_failed', `${into} is not what was unpacked just now`)
  }
  return info
}

/** When the private nginx was fetched, in milliseconds since 1970; undefined: it is none. */
export function fetchedAtMs({ path }: Pick<NginxInfo, 'path'>): number | undefined {
  return fetchedNginx(dirname(dirname(path)))?.fetchedAtMs
}

/**
 * What an nginx that runs was started from, as a text that begins with its path: another one, even
 * of the same version, has another.
 */
export function buildOf({ path, version, njs, modules }: NginxInfo): string {
  const stamp = join(dirname(dirname(path)), NGINX_STAMP)
  const files = existsSync(stamp)
    ? readStamp(stamp).packages
    : [path, ...modules].map((file) => statSync(file).mtimeMs)
  return JSON.stringify([path, version, njs, modules, files]) + '\n'
}

/** One that was unpacked here lies elsewhere than it was built for; its stamp knows better. */
async function inspectOwn(path: string): Promise<NginxInfo> {
  const root = dirname(dirname(path))
  const unpacked = path === programIn(root) ? recall(root) : undefined
  return unpacked ?? inspectNginx(path)
}

interface Stamp extends Pick<NginxInfo, 'version' | 'njs' | 'engines'> {
  layout: number
  suite: string
  /** Files of the packages. A new OpenSSL may come without a new version of nginx. */
  packages: string[]
}

async function remember(root: string, suite: string, packages: string[]): Promise<void> {
  const { version, njs, engines } = await inspectNginx(programIn(root), modulesIn(root))
  const stamp: Stamp = { layout: LAYOUT, suite, packages, version, njs, engines }
  writeFileSync(join(root, NGINX_STAMP), `${JSON.stringify(stamp)}\n`)
}

function recall(root: string, suite?: string): NginxInfo | undefined {
  const file = join(root, NGINX_STAMP)
  if (!existsSync(file) || !existsSync(programIn(root))) {
    return undefined
  }
  const stamp = readStamp(file)
  if (stamp.layout !== LAYOUT || stamp.suite !== (suite ?? stamp.suite)) {
    return undefined
  }
  const info = nginxInfo(programIn(root), {
    ...stamp,
    modulesPath: modulesIn(root),
    // Debian builds all of its nginx with them.
    hasTls: true,
    hasPreread: true,
    hasPass: true,
    hasHttp3: true,
    hasGrpc: true,
    hasRealip: true,
    hasJit: true,
  })
  return { ...info, mimeTypes: join(root, 'etc/nginx/mime.types') }
}

function readStamp(file: string): Stamp {
  return JSON.parse(readFileSync(file, 'utf8')) as Stamp
}

function programIn(root: string): string {
  return join(root, 'bin/nginx')
}

function modulesIn(root: string): string {
  return join(root, 'usr/lib/nginx/modules')
}

/** A bare name means what it means in a shell. */
function locate(nginx: string): string {
  if (nginx.includes('/')) {
    return resolve(nginx)
  }
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.map((folder) => join(folder, nginx)).find((path) => existsSync(path)) ?? nginx
}

function withAdvice(error: SetupError): SetupError {
  const message =
    `The private nginx could not be had: ${error.message}\n` +
    'Install nginx 1.26 or newer with its njs module (nginx-module-njs from nginx.org, ' +
    'libnginx-mod-http-js on Debian) and name it in SLUICE_NGINX.'
  return new SetupError(error.code, message, { cause: error })
}
