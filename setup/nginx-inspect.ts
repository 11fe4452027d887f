/** What an nginx can do, found out by running it. */
import { atLeast, POOL_SINCE } from '../contract/version.js'
import { loadableModules, readBuild, type NginxBuild } from './nginx-build.js'
import { SetupError } from './errors.js'
import { probeEngine, type NjsEngine } from './nginx-probe.js'

export interface NginxInfo {
  /** The executable to spawn. */
  path: string
  version: string
  /** The version of njs. */
  njs: string
  /** The folder of ngx_http_js_module.so. */
  modulesPath: string
  /** What to load for njs in http and stream, in order; what is built in needs no loading. */
  modules: string[]
  engines: NjsEngine[]
  /** Whether `sticky` and `drain` are there. */
  hasSticky: boolean
  /** Whether it can speak TLS and HTTP/2 to clients. */
  hasTls: boolean
  /** Whether its stream{} can look into TLS, and hand connections on. */
  hasPreread: boolean
  /** Whether its stream{} can hand connections on. */
  hasPass: boolean
  /** Whether it can speak HTTP/3 to clients. */
  hasHttp3: boolean
  /** Whether it can take and pass on gRPC. */
  hasGrpc: boolean
  /** Whether it can take a client's address from a proxy's word, in http{} and stream{}. */
  hasRealip: boolean
  /** Whether it can make machine code of regular expressions. */
  hasJit: boolean
  mimeTypes?: string
}

const OLDEST_NGINX = '1.26.0'
/** The first njs with `js_set … nocache`, which picking another peer on a retry rests on. */
const OLDEST_NJS = '0.8.6'

/** What any nginx will do for. */
const WAY_OUT = 'This one can be used in file mode, by reloads: SLUICE_MODE=file'

/** Finds out by running it what an nginx is; `modulesPath` where the build's own is wrong. */
export async function inspectNginx(path: string, modulesPath?: string): Promise<NginxInfo> {
  const compiled = await readBuild(path)
  const build = modulesPath === undefined ? compiled : { ...compiled, modulesPath }
  if (!atLeast(build.version, OLDEST_NGINX)) {
    const message = `${path} is nginx ${build.version}; Sluice needs ${OLDEST_NGINX} or newer. ${WAY_OUT}`
    throw new SetupError('nginx_too_old', message)
  }
  return nginxInfo(path, { ...build, ...(await inspectNjs(path, build)) })
}

/** The facts about an nginx, from those that had to be found out. */
export function nginxInfo(
  path: string,
  found: Omit<NginxInfo, 'path' | 'modules' | 'hasSticky' | 'mimeTypes'>,
): NginxInfo {
  const modules = loadableModules(found.modulesPath)
  return { path, modules, hasSticky: atLeast(found.version, POOL_SINCE), ...found }
}

async function inspectNjs(
  path: string,
  build: NginxBuild,
): Promise<{ njs: string; engines: NjsEngine[] }> {
  const asked: NjsEngine[] = ['njs', 'qjs']
  const answers = await Promise.all(asked.map((engine) => probeEngine(path, build, engine)))
  const running = answers.filter((answer) => 'version' in answer)
  const version = running[0]?.version
  if (version === undefined) {
    const [reason = ''] = answers.flatMap((answer) => ('refusal' in answer ? [answer.refusal] : []))
    throw withoutNjs(path, build, reason)
  }
  if (!atLeast(version, OLDEST_NJS)) {
    const message = `${path} has njs ${version}; Sluice needs ${OLDEST_NJS} or newer. ${WAY_OUT}`
    throw new SetupError('njs_too_old', message)
  }
  return { njs: version, engines: [...new Set(running.map(({ engine }) => engine))] }
}

function withoutNjs(
  path: string,
  { version, modulesPath }: NginxBuild,
  reason: string,
): SetupError {
  const hasFile = loadableModules(modulesPath).length > 0
  const advice = hasFile
    ? `It needs njs ${OLDEST_NJS} or newer, built for exactly this nginx.`
    : `No ngx_http_js_module.so is in ${modulesPath}: install libnginx-mod-http-js (Debian) ` +
      `or nginx-module-njs (nginx.org).`
  const message = `${path} (nginx ${version}) does not run njs. ${advice} nginx says: ${reason}`
  return new SetupError('nginx_no_njs', message)
}
