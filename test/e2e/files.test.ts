/** Files as a source, as a user has them: one setting, and traffic flows. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { buildIfStale } from '../../lab/build.js'
import { makeHome, run, startSluice, PROGRAM } from '../../lab/nginx/started.js'
import { temporaryFolder } from '../../lab/temp.js'
import { until } from '../../lab/until.js'
import { httpCall } from '../support/http-call.js'

t.setTimeout(120_000)

t.test('what files say is served, and a bad one changes nothing', async (t) => {
  await buildIfStale()
  const folder = join(temporaryFolder(t, 'files'), 'ups')
  mkdirSync(join(folder, '..v1'), { recursive: true })
  const ports = await Promise.all(
    ['one', 'two'].map(async (text) => {
      const server = createServer((_request, response) => response.end(text))
      await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
      t.teardown(() => void server.close())
      return (server.address() as AddressInfo).port
    }),
  )
  const page = (port: number | undefined) =>
    `upstreams: {web: {instances: [{host: 127.0.0.1, port: ${port}}]}}\n` +
    `routes: {site: {hosts: [site.test], upstream: web}}\n`
  // As Kubernetes mounts a ConfigMap: links to a link that is swapped.
  writeFileSync(join(folder, '..v1', 'web.yaml'), page(ports[0]))
  symlinkSync('..v1', join(folder, '..data'))
  symlinkSync('..data/web.yaml', join(folder, 'web.yaml'))
  const home = await makeHome(t, { SLUICE_FILES: folder, SLUICE_DOCKER: 'off' })
  await startSluice(t, home)
  const answers = async () =>
    (await httpCall(`http://127.0.0.1:${home.httpPort}/`, { headers: { host: 'site.test' } })).body
  await until(async () => (await answers()) === 'one')

  const swap = (name: string, text: string) => {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'web.yaml'), text)
    symlinkSync(name, join(folder, '..next'))
    renameSync(join(folder, '..next'), join(folder, '..data'))
  }
  swap('..v2', page(ports[1]))
  await until(async () => (await answers()) === 'two')

  swap('..v3', page(ports[0]).replace('host: 127.0.0.1', 'host: nowhere'))
  const command = (...args: string[]) =>
    run([process.execPath, PROGRAM, ...args, '--home', home.folder].join(' '))
  const status = await until(async () => {
    const { output } = await command('status')
    return output.includes('source_refused') && output
  })
  t.match(status, /source files of agent \S+ \(.*ups\): 1 instances, 1 entries refused/)
  t.match(status, /web\.yaml:1: upstreams\.web\.instances\[0\]\.host must be an IP address/)
  t.equal(await answers(), 'two', 'the last good content stays')
  const checked = await command('check', '--files', folder)
  t.equal(checked.code, 1)
  t.match(checked.output, /web\.yaml:1: upstreams\.web\.instances\[0\]\.host must be/)
  const printed = await command('agent', '--print', '--files', folder, '--docker', 'off')
  t.match(printed.output, /source files at .*\n.*refused: web\.yaml:1/s)
  swap('..v4', page(ports[0]))
  await until(async () => (await answers()) === 'one')
  t.equal((await command('check', '--files', folder)).code, 0)
})
