/** nginx is found, inspected and unpacked. */
import { execFile } from 'node:child_process'
import { chmodSync, existsSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { SetupError, type SetupErrorCode } from '../../../setup/errors.js'
import { buildOf, ensureNginx, unpackNginx } from '../../../setup/nginx.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { tools } from '../../../lab/tools.js'

const run = promisify(execFile)
const quiet = (): void => undefined
const { nginx, nginxStable } = await tools()

t.test('the newest nginx has both engines and sticky', async (t) => {
  t.match(nginx.version, /^1\.(29|[3-9]\d)\.\d+$/)
  t.match(nginx.njs, /^\d+\.\d+\.\d+$/)
  t.same(nginx.engines, ['njs', 'qjs'])
  t.equal(nginx.hasSticky, true)
  t.ok(nginx.modules.length === 3 && nginx.modules.every((file) => existsSync(file)))
  t.ok(existsSync(nginx.mimeTypes ?? ''))
})

t.test("Debian stable's nginx has the old engine only", async (t) => {
  t.match(nginxStable, { version: /^1\.26\./, njs: /^0\.8\./, engines: ['njs'], hasSticky: false })
})

t.test('an unpacked nginx runs from any working directory', async (t) => {
  const folder = temporaryFolder(t, 'cwd')
  const { stderr } = await run(nginx.path, ['-v'], { cwd: folder })
  t.match(stderr, `nginx/${nginx.version}`)
})

t.test('what is unpacked is taken up as it is', async (t) => {
  const said: string[] = []
  const root = dirname(dirname(nginx.path))
  const again = await unpackNginx({ suite: 'forky', into: root, say: (line) => said.push(line) })
  t.same(again, nginx)
  t.same(said, [])
})

t.test('another build of the same version is another build', async (t) => {
  const path = nginxWithModules(temporaryFolder(t), nginx.modulesPath)
  const own = await ensureNginx({ home: temporaryFolder(t), nginx: path, say: quiet })
  const before = buildOf(own)
  t.equal(buildOf(own), before)
  utimesSync(path, 1, 1)
  t.not(buildOf(own), before)
  t.match(buildOf(nginx), /libssl3\w*_[^"]+\.deb/, 'a private one comes with its libraries')
})

t.test('an nginx of the user is run and described', async (t) => {
  const own = nginxWithModules(temporaryFolder(t), nginx.modulesPath)
  const info = await ensureNginx({ home: temporaryFolder(t), nginx: own, say: quiet })
  t.match(info, { path: own, njs: nginx.njs, engines: nginx.engines, hasSticky: true })
})

t.test('an nginx unpacked for another home is known as such', async (t) => {
  const home = temporaryFolder(t)
  t.same(await ensureNginx({ home, nginx: nginxStable.path, say: quiet }), nginxStable)
})

t.test('what cannot serve as nginx is refused with the reason', async (t) => {
  const folder = temporaryFolder(t)
  const notExecutable = join(folder, 'text')
  writeFileSync(notExecutable, 'no program')
  const old = script(folder, "echo 'nginx version: nginx/1.24.0' >&2")
  await refused(t, '/nonexistent/nginx', 'nginx_not_found', /there is no nginx at \/nonexistent/)
  await refused(t, 'no-such-nginx', 'nginx_not_found', /named no-such-nginx in the PATH.*--nginx/)
  await refused(t, notExecutable, 'nginx_not_executable', /cannot be run: .*EACCES/)
  await refused(t, '/bin/true', 'nginx_not_nginx', /does not answer as nginx does/)
  await refused(
    t,
    old,
    'nginx_too_old',
    /is nginx 1\.24\.0; Sluice needs 1\.26\.0 or newer.*file mode.*SLUICE_MODE=file/,
  )
})

t.test('an nginx without njs is refused, with what to install', async (t) => {
  const own = nginxWithModules(temporaryFolder(t), '/nonexistent/modules')
  const advice =
    /No ngx_http_js_module\.so is in \/nonexistent\/modules: install libnginx-mod-http-js/
  await refused(t, own, 'nginx_no_njs', advice)
})

async function refused(
  t: Test,
  path: string,
  code: SetupErrorCode,
  message: RegExp,
): Promise<void> {
  const call = ensureNginx({ home: '/nonexistent', nginx: path, say: quiet })
  await t.rejects(call, { name: SetupError.name, code, message })
}

/** Debian's nginx, started by a user's own script and built to look for modules elsewhere. */
function nginxWithModules(folder: string, modulesPath: string): string {
  const rewrite = `sed 's#--modules-path=[^ ]*#--modules-path=${modulesPath}#'`
  const build = `if [ "$1" = -V ]; then ${nginx.path} -V 2>&1 | ${rewrite} >&2; exit; fi`
  return script(folder, `${build}\nexec ${nginx.path} "$@"`)
}

function script(folder: string, body: string): string {
  const path = join(folder, 'nginx')
  writeFileSync(path, `#!/bin/sh\n${body}\n`)
  chmodSync(path, 0o755)
  return path
}
