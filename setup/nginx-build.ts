/** What an nginx says of its own build (`nginx -V`). */
import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { runCommand } from './command.js'
import { nginxEnvironment } from './nginx-environment.js'
import { SetupError } from './errors.js'

/** What `nginx -V` says of how an nginx was built. */
export interface NginxBuild {
  version: string
  modulesPath: string
  /** `http-proxy` → the folder that was compiled in for its temporary files. */
  tempPaths: Map<string, string>
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
}

const MODULES = [
  'ngx_http_js_module.so',
  'ngx_stream_module.so',
  'ngx_stream_js_module.so',
] as const

export async function readBuild(path: string): Promise<NginxBuild> {
  const { code, stdout, stderr, startError } = await runCommand(path, ['-V'], {
    env: nginxEnvironment(),
  })
  if (startError?.code === 'ENOENT') {
    const where = path.includes('/')
      ? `at ${path}`
      : `named ${path} in the PATH; say where by --nginx`
    throw new SetupError('nginx_not_found', `there is no nginx ${where}`)
  }
  if (startError) {
    throw new SetupError('nginx_not_executable', `${path} cannot be run: ${startError.message}`)
  }
  const output = stdout + stderr
  const version = /^nginx version: \S+?\/(\d+\.\d+\.\d+)/m.exec(output)?.[1]
  if (code !== 0 || !version) {
    const heard = output.trim().split('\n')[0] ?? ''
    throw new SetupError('nginx_not_nginx', `${path} -V does not answer as nginx does: ${heard}`)
  }
  return parseArguments(version, output)
}

/** Shared objects that nginx has to load, in order; one that is built in has no file. */
export function loadableModules(modulesPath: string): string[] {
  return MODULES.map((name) => join(modulesPath, name)).filter((file) => existsSync(file))
}

function parseArguments(version: string, output: string): NginxBuild {
  const value = (name: string): string | undefined =>
    new RegExp(`--${name}='?([^\\s']+)`).exec(output)?.[1]
  const prefix = value('prefix') ?? '/usr/local/nginx'
  const modules = value('modules-path') ?? 'modules'
  const temporary = [...output.matchAll(/--(http-[\w-]+)-temp-path='?([^\s']+)/g)]
  const isWith = (...names: string[]): boolean =>
    names.every((name) => output.includes(`--with-http_${name}_module`))
  const hasPass = !output.includes('--without-stream_pass_module')
  return {
    hasTls: isWith('ssl', 'v2'),
    hasHttp3: isWith('ssl', 'v3'),
    hasPreread: hasPass && output.includes('--with-stream_ssl_preread_module'),
    hasPass,
    hasGrpc: isWith('v2', 'auth_request') && !output.includes('--without-http_grpc_module'),
    hasRealip: isWith('realip') && output.includes('--with-stream_realip_module'),
    hasJit: output.includes('--with-pcre-jit'),
    version,
    modulesPath: isAbsolute(modules) ? modules : join(prefix, modules),
    tempPaths: new Map(temporary.map(([, name = '', path = '']) => [name, path])),
  }
}
