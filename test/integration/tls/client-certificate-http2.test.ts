// What the gateway shows to instances that speak HTTP/2, gRPC or not, and take nobody without a
// certificate of theirs: all of Sluice.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { makeAuthority } from '../../../lab/engines/certificates.js'
import type { Pem } from '../../../lab/engines/certificates.js'
import { startControlled } from '../../support/controlled.js'
import type { Controlled } from '../../support/controlled.js'
import { GATEWAY_KINDS } from '../../../lab/nginx/gateway.js'
import { GrpcClient, startGrpcBackend } from '../../../lab/backends/grpc.js'
import { startH2 } from '../../../lab/backends/h2-backend.js'
import type { H2Echo } from '../../../lab/backends/h2-backend.js'
import { temporaryFolder } from '../../../lab/temp.js'
import { until } from '../../../lab/until.js'

t.setTimeout(170_000)

const HOST = 'shop.localhost'
const UPSTREAM = '/v1/upstreams/shop'
const FOR_CLIENTS = { extension: 'extendedKeyUsage=clientAuth' }
const UNAVAILABLE = 14

const ours = await makeAuthority(temporaryFolder(t, 'ca'))
const others = await makeAuthority(temporaryFolder(t, 'ca'))
const server = { ...(await ours.issue(['shop.internal'])), clientCa: ours.pem }
const first = await ours.issue([], FOR_CLIENTS)
const second = await (await ours.below()).issue([], FOR_CLIENTS)
const foreign = await others.issue([], FOR_CLIENTS)

const serialOf = ({ certificate }: Pem): string => new X509Certificate(certificate).serialNumber

interface Subject {
  instance: { id: string; host: string; port: number }
  /** Requests that reached the instance. */
  count: () => number
  /** What it was shown, or how the request failed. */
  shown: () => Promise<unknown>
  /** How it fails where nobody takes the handshake, and where there is nothing to show. */
  refused: unknown
  withheld: RegExp
}

const SUBJECTS = {
  grpc: async (t: Test, { gateway }: Controlled): Promise<Subject> => {
    const instance = await startGrpcBackend(t, 'a', server)
    const client = new GrpcClient(t, gateway.httpsPort, HOST)
    return {
      instance,
      count: () => instance.calls.length,
      shown: async () => {
        const { code, details, texts } = await client.call('Chat', ['one', 'two'])
        if (texts.length === 0) {
          return [code, details]
        }
        t.match({ code, texts }, { code: 0, texts: ['one', 'two'] })
        return instance.calls.at(-1)?.shown
      },
      refused: [UNAVAILABLE, 'No instance of shop answered'],
      withheld: /^14,/,
    }
  },
  h2: async (t: Test, { gateway }: Controlled): Promise<Subject> => {
    const instance = await startH2(t, 'a', server)
    return {
      instance,
      count: instance.requests,
      shown: async () => {
        const { status, body, json } = await gateway.ask({ host: HOST, method: 'POST', body: 'x' })
        return status === 200 ? (json as H2Echo).shown : body
      },
      refused: '502 No instance of shop answered\n',
      withheld: /^503 /,
    }
  },
}

async function tryIt(t: Test, it: Controlled, protocol: keyof typeof SUBJECTS): Promise<void> {
  const { instance, count, shown, refused, withheld } = await SUBJECTS[protocol](t, it)
  const done = async (method: string, path: string, body?: unknown): Promise<void> => {
    const { status, body: answer } = await it.call(method, path, body)
    assert.ok(status < 300, `${method} ${path}: ${status} ${JSON.stringify(answer)}`)
  }
  const show = (pem: Pem): Promise<void> =>
    done('PUT', '/v1/certificates/gateway', { ...pem, client: true })
  await show(first)
  // Each failure would leave the only instance out for a while.
  const policy = { eject: { maxFails: 0 } }
  const tls = { serverName: 'shop.internal' }
  await done('PUT', UPSTREAM, { protocol, policy, tls })
  const { host, port } = instance
  await done('PUT', `${UPSTREAM}/instances/${instance.id}`, { host, port })

  t.same(await shown(), refused, 'without one')
  t.equal(count(), 0)
  await done('PATCH', UPSTREAM, { tls: { certificate: 'gateway' } })
  t.equal(await shown(), serialOf(first))
  await show(second)
  t.equal(await shown(), serialOf(second), 'renewed, with what leads to its authority')
  await show(foreign)
  const before = count()
  t.same(await shown(), refused, 'one that it does not trust')
  t.equal(count(), before)
  await show(first)
  t.equal(await shown(), serialOf(first), 'from the next handshake on')
  await done('PATCH', UPSTREAM, { tls: { verify: false, serverName: null } })
  t.equal(await shown(), serialOf(first), "where the instance's is not verified, too")

  await it.registry.commit([{ type: 'delete', key: 'certificates/gateway' }])
  await until(async () => (await it.call('GET', '/v1/certificates/gateway')).status === 404)
  await until(async () => withheld.test(String(await shown())), { what: 'it to be gone' })
  const asked = count()
  t.match(String(await shown()), withheld)
  t.equal(count(), asked, 'nobody is asked without the one that is to be shown')
  t.match(it.gateway.errorLog(), /the table has no certificate gateway to show/)
}

for (const kind of GATEWAY_KINDS) {
  for (const protocol of ['grpc', 'h2'] as const) {
    // Debian stable's nginx speaks no HTTP/2 to instances (h2.test.ts).
    if (kind === 'stable' && protocol === 'h2') {
      continue
    }
    t.test(`${kind}: ${protocol} shows its own certificate`, async (t) => {
      const settings = { trustedCa: ours.path }
      await tryIt(t, await startControlled(t, { kind, trustedCa: ours.pem, settings }), protocol)
    })
  }
}
