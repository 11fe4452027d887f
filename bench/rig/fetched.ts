/** The proxies that Sluice is compared with, unpacked from Debian. */
import { join } from 'node:path'
import { runCommand } from '../../setup/command.js'
import type { Say } from '../../setup/debian.js'
import { nginxInfo } from '../../setup/nginx-inspect.js'
import type { NginxInfo } from '../../setup/nginx-inspect.js'
import { toolsFolder, unpackOnce } from '../../lab/tools.js'

/** The suite that the private nginx is from too, so that all are of one age. */
const SUITE = 'forky'

export interface Fetched {
  path: string
  version: string
}

export interface LuaNginx {
  /** Debian's nginx, with the modules that Lua needs in place of njs. */
  nginx: NginxInfo
  /** For lua_package_path. */
  libraries: string
}

const MODULES = ['ndk_http_module.so', 'ngx_http_lua_module.so']

/**
 * Debian's nginx with its Lua module. What is not a library is named, for nothing else is unpacked
 * with it.
 */
export async function luaNginx(say: Say): Promise<LuaNginx> {
  const into = join(toolsFolder, 'nginx-lua')
  await unpackOnce({
    suite: SUITE,
    packages: [
      'nginx',
      'nginx-common',
      'libnginx-mod-http-ndk',
      'libnginx-mod-http-lua',
      'lua-resty-core',
      'lua-resty-lrucache',
    ],
    programs: ['usr/sbin/nginx'],
    into,
    say,
  })
  const path = join(into, 'bin/nginx')
  const version = await versionOf(path, ['-v'], /nginx\/(\S+)/)
  const modulesPath = join(into, 'usr/lib/nginx/modules')
  const modules = MODULES.map((name) => join(modulesPath, name))
  const can = { hasTls: true, hasPass: true, hasHttp3: false, hasGrpc: true, hasRealip: true }
  const built = { version, modulesPath, hasPreread: false, hasJit: false, ...can }
  const nginx = nginxInfo(path, { njs: 'none', engines: [], ...built })
  return { nginx: { ...nginx, modules }, libraries: join(into, 'usr/share/lua/5.1') }
}

export async function haproxy(say: Say): Promise<Fetched> {
  const into = join(toolsFolder, 'haproxy')
  const programs = ['usr/sbin/haproxy']
  await unpackOnce({ suite: SUITE, packages: ['haproxy'], programs, into, say })
  const path = join(into, 'bin/haproxy')
  return { path, version: await versionOf(path, ['-v'], /version (\d[\d.]*)/) }
}

export async function caddy(say: Say): Promise<Fetched> {
  const into = join(toolsFolder, 'caddy')
  const programs = ['usr/bin/caddy']
  await unpackOnce({ suite: SUITE, packages: ['caddy'], programs, into, say })
  const path = join(into, 'bin/caddy')
  return { path, version: await versionOf(path, ['version'], /v?(\d[\d.]*)/) }
}

async function versionOf(path: string, flags: string[], pattern: RegExp): Promise<string> {
  const { code, stdout, stderr, startError } = await runCommand(path, flags)
  const version = pattern.exec(stdout + stderr)?.[1]
  if (code === 0 && version !== undefined) {
    return version
  }
  throw new Error(`${path} ${flags.join(' ')}: ${startError?.message ?? stdout + stderr}`)
}
