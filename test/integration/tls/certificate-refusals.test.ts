/**
 * What is refused of a certificate, by name and with nothing lost; and that its key is never said.
 */
import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import type { RegistryOperation } from '../../../registry/registry.js'
import { makeLogger } from '../../../runtime/logger.js'
import { problem, testApi } from '../../support/api.js'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import type { Pem } from '../../../lab/engines/certificates.js'
import { startCertified } from '../../support/certified.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const folder = temporaryFolder(t, 'ca')
const authority = await makeAuthority(folder)
const PATH = '/v1/certificates/app'

const day = (days: number): string =>
  new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, '')

const good = await authority.issue(['app.test'])
const other = await authority.issue(['app.test'])
const below = await authority.below()
const chained = await below.issue(['chained.test'])
const [leaf = '', above = ''] = chained.certificate.split(/(?<=END CERTIFICATE-----\n)/)

async function encrypted(...args: string[]): Promise<string> {
  const file = `${folder}/plain.key`
  writeFileSync(file, good.privateKey)
  return authority.openssl(...args, '-in', file, '-passout', 'pass:secret')
}

type Case = [what: string, body: Partial<Pem> & Record<string, unknown>, field: string, why: RegExp]

const CASES: Case[] = [
  ['no certificate', { privateKey: good.privateKey }, 'certificate', /must be a certificate/],
  ['no key', { certificate: good.certificate }, 'privateKey', /must be a private key/],
  ['garbage', { ...good, certificate: 'no PEM' }, 'certificate', /in PEM/],
  [
    'a broken certificate',
    { ...good, certificate: good.certificate.replace(/\n(.{20})/, '\n') },
    'certificate',
    /number 1 of its PEM is no certificate/,
  ],
  [
    'half a certificate',
    { ...good, certificate: good.certificate.slice(0, 200) },
    'certificate',
    /no whole certificate/,
  ],
  [
    'a key beside the certificate',
    { ...good, certificate: good.certificate + good.privateKey },
    'certificate',
    /holds a PRIVATE KEY/,
  ],
  [
    'a broken key',
    { ...good, privateKey: good.privateKey.replace(/\n(.{20})/, '\n') },
    'privateKey',
    /cannot be read/,
  ],
  [
    'a certificate for a key',
    { ...good, privateKey: good.certificate },
    'privateKey',
    /one private key/,
  ],
  [
    'another key',
    { ...good, privateKey: other.privateKey },
    'privateKey',
    /not the key of the certificate/,
  ],
  [
    'an encrypted key',
    { ...good, privateKey: await encrypted('pkcs8', '-topk8') },
    'privateKey',
    /encrypted/,
  ],
  [
    'an encrypted key of the old kind',
    { ...good, privateKey: await encrypted('ec', '-aes128') },
    'privateKey',
    /encrypted/,
  ],
  [
    'one that has expired',
    await authority.issue(['app.test'], { between: [day(-9), day(-1)] }),
    'certificate',
    /has expired/,
  ],
  [
    'one that is not valid yet',
    await authority.issue(['app.test'], { between: [day(1), day(9)] }),
    'certificate',
    /not valid before/,
  ],
  ['no names', await authority.issue([]), 'certificate', /no DNS name/],
  [
    'names that are no DNS names',
    await authority.issue(['IP:127.0.0.1', 'email:a@app.test']),
    'certificate',
    /no DNS name/,
  ],
  [
    'a wildcard in the wrong place',
    await authority.issue(['a.*.test']),
    'certificate',
    /"a\.\*\.test"/,
  ],
  ['half a wildcard', await authority.issue(['app.test', 'a*.test']), 'certificate', /"a\*\.test"/],
  [
    'RSA of 1024 bits',
    await authority.issue(['app.test'], { key: 'rsa:1024' }),
    'privateKey',
    /2048 bits/,
  ],
  [
    'one for clients',
    await authority.issue(['app.test'], { extension: 'extendedKeyUsage=clientAuth' }),
    'certificate',
    /not for servers/,
  ],
  [
    'a chain upside down',
    { ...chained, certificate: above + leaf },
    'certificate',
    /must begin with/,
  ],
  [
    'a chain with a stranger',
    { ...chained, certificate: leaf + good.certificate },
    'certificate',
    /number 2 .* did not issue number 1/,
  ],
  [
    'too many names',
    await authority.issue(Array.from({ length: 101 }, (_, i) => `a${i}.test`)),
    'certificate',
    /101 names/,
  ],
  ['too much', { ...good, certificate: good.certificate.repeat(60) }, 'certificate', /bytes/],
  ['a field of no one', { ...good, key: 'x' }, 'key', /not a known field/],
  ['a default that is none', { ...good, default: 'yes' }, 'default', /true or absent/],
]

t.test('what nginx or its clients could not use is refused by name', async (t) => {
  const { call, control } = await testApi(t)
  t.equal((await call('PUT', PATH, good)).status, 201)
  const { revision, ...before } = (await call('GET', PATH)).body
  for (const [what, body, field, why] of CASES) {
    const answer = await call('PUT', PATH, body)
    t.match(problem(answer), { status: 400, code: 'invalid', field, broken: undefined }, what)
    t.match(answer.body.detail, why, what)
    const batch = { operations: [{ method: 'PUT', path: PATH, body }] }
    const inBatch = await call('POST', '/v1/batch', batch)
    t.match(problem(inBatch), { status: 400, field: `operations[0].body.${field}` }, what)
  }
  t.strictSame((await call('GET', PATH)).body, { ...before, revision }, 'what was there stays')
  t.equal(control.desired().revision, revision)
})

t.test('what is right is taken', async (t) => {
  const { call } = await testApi(t)
  const list = async (): Promise<string[]> =>
    (await call('GET', '/v1/certificates')).body.certificates.map(({ id }: { id: string }) => id)
  const rsa = await authority.issue(['rsa.test'], { key: 'rsa:2048' })
  const crlf = { ...good, certificate: `x\r\n${good.certificate.replaceAll('\n', '\r\n')}` }
  const bodies = {
    chained,
    rsa,
    crlf,
    ip: { ...(await authority.issue(['IP:127.0.0.1'])), default: true },
  }
  for (const [id, body] of Object.entries(bodies)) {
    const answer = await call('PUT', `/v1/certificates/${id}`, body)
    t.match(answer, { status: 201, body: { applied: true } }, id)
  }
  t.match((await call('GET', '/v1/certificates/rsa')).body, {
    id: 'rsa',
    names: ['rsa.test'],
    issuer: 'CN=ca',
    key: 'rsa 2048',
    fingerprint: /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/,
  })
  t.match((await call('GET', '/v1/certificates/ip')).body, { names: [], default: true })
  t.same(await list(), ['chained', 'crlf', 'ip', 'rsa'])
  t.equal((await call('PUT', '/v1/certificates/rsa', rsa)).status, 200)
  t.equal((await call('DELETE', '/v1/certificates/rsa')).status, 200)
  t.equal((await call('DELETE', '/v1/certificates/rsa')).status, 404)
  t.equal((await call('GET', '/v1/certificates/rsa')).status, 404)
  t.match(problem(await call('PUT', '/v1/certificates/A_b', rsa)), { status: 400, field: 'id' })
  const ifMatch = await call('PUT', '/v1/certificates/ip', bodies.ip, { 'if-match': '"0"' })
  t.match(problem(ifMatch), { status: 412, code: 'changed' })
  t.same(await list(), ['chained', 'crlf', 'ip'])
})

t.test('file mode says that it serves none', async (t) => {
  const { call } = await testApi(t, { settings: { mode: 'file' } })
  const answer = await call('PUT', PATH, good)
  t.match(problem(answer), { status: 400, code: 'invalid' })
  t.match(answer.body.detail, /file mode/)
})

/** Follows the events until it is said to stop; answers all that came. */
function eventsOf(socket: string): { stop: () => string } {
  let text = ''
  const asked = request({ socketPath: socket, path: '/v1/events' }, (answer) =>
    answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)),
  )
  asked.on('error', () => undefined)
  asked.end()
  return {
    stop: () => {
      asked.destroy()
      return text
    },
  }
}

t.test('a key is in no log, answer, event or metric', async (t) => {
  const said: string[] = []
  const log = makeLogger({
    part: 'test',
    level: 'debug',
    to: { write: (line) => void said.push(line) },
  })
  const it = await startCertified(t, { kind: 'njs', log })
  const events = eventsOf(join(it.gateway.home, 'api.sock'))
  const say = async (method: string, path: string, body?: unknown): Promise<void> => {
    const { status, headers, body: answer } = await it.call(method, path, body)
    said.push(`${method} ${path} ${status}`, JSON.stringify(headers), JSON.stringify(answer))
  }
  await say('PUT', PATH, good)
  await say('PUT', PATH, { ...good, privateKey: other.privateKey })
  await say('PUT', PATH, { ...good, certificate: good.certificate + good.privateKey })
  await say('PUT', PATH, { ...good, privateKey: good.privateKey.replace('KEY', 'KEE') })
  await say('PUT', PATH, JSON.stringify(good).slice(0, -3))
  const replace = { method: 'PUT', path: PATH, body: other }
  await say('POST', '/v1/batch', { operations: [replace], dryRun: true })
  await say('POST', '/v1/batch', { operations: [replace] })
  await say('POST', '/v1/batch', { operations: [{ method: 'DELETE', path: PATH }], dryRun: true })
  const broken = { ...good, privateKey: other.privateKey }
  const operation: RegistryOperation = {
    type: 'put',
    key: 'certificates/broken',
    value: JSON.stringify(broken),
  }
  await it.registry.commit([operation])
  await until(() => said.some((line) => line.includes('registry value refused')))
  const reads = ['/v1/certificates', PATH, '/v1/gateways', '/readyz?verbose', '/metrics']
  for (const path of [...reads, '/v1/explain?host=app.test', '/openapi.json']) {
    await say('GET', path)
  }
  await say('GET', '/v1/registry/list?prefix=certificates/')
  t.match(await it.shake('app.test', authority.pem), { distrust: undefined })
  await it.gateway.ask({ path: '/', host: 'app.test' })
  said.push(events.stop(), it.gateway.errorLog(), JSON.stringify(it.gateway.accessLog()))
  const all = said.join('\n')
  t.match(all, /"kind":"certificate"/, 'there are events')
  t.match(all, /audit/, 'there is a log')
  for (const { privateKey } of [good, other]) {
    const [, ...lines] = privateKey.split('\n')
    for (const line of lines.filter((each) => each.length > 20 && !each.startsWith('-----'))) {
      t.notOk(all.includes(line.slice(0, 30)), 'a line of the key')
    }
  }
})
