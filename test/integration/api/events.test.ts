/** The event stream of the API. */
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { testApi } from '../../support/api.js'
import type { TestApi } from '../../support/api.js'
import type { Json } from '../../support/http-call.js'
import { until } from '../../../lab/until.js'

interface Event {
  id: string
  event: string
  data: Json
}

/** Follows events until `close`; what came so far is in `events`. */
async function follow({ api }: TestApi, query = '', headers: Record<string, string> = {}) {
  const events: Event[] = []
  let text = ''
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { socketPath: api.socket, path: `/v1/events${query}`, headers, agent: false }
    get(options, resolve).on('error', reject)
  })
  let ended = false
  answer.on('close', () => (ended = true)).on('error', () => undefined)
  answer.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop() as string
    for (const block of blocks) {
      const fields = new Map(
        block.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]),
      )
      const data = fields.get('data')
      if (data !== undefined) {
        events.push({ id: fields.get('id')!, event: fields.get('event')!, data: JSON.parse(data) })
      }
    }
  })
  return { events, answer, close: () => answer.destroy(), ended: () => ended }
}

const put = ({ call }: TestApi, id: string) =>
  call('PUT', `/v1/upstreams/web/instances/${id}`, { host: '127.0.0.1', port: 9000 })

t.test('changes come as they happen, with their revision', async (t) => {
  const test = await testApi(t)
  const client = await follow(test)
  t.match(client.answer.headers['content-type'], /^text\/event-stream/)
  await put(test, 'a')
  await test.call('POST', '/v1/upstreams/web/instances/a/drain')
  await test.call('DELETE', '/v1/upstreams/web/instances/a')
  await until(() => client.events.length === 3)
  t.match(client.events, [
    { id: '1', event: 'change', data: { kind: 'instance', upstream: 'web', id: 'a', state: 'up' } },
    { id: '2', data: { state: 'draining', revision: 2 } },
    { id: '3', data: { state: 'removed' } },
  ])
  client.close()
})

t.test('who was cut off goes on where it was', async (t) => {
  const test = await testApi(t)
  for (const id of ['a', 'b', 'c']) {
    await put(test, id)
  }
  const byQuery = await follow(test, '?from=2')
  await until(() => byQuery.events.length === 2)
  t.same(
    byQuery.events.map(({ id }) => id),
    ['2', '3'],
  )
  const byHeader = await follow(test, '', { 'last-event-id': '3' })
  await put(test, 'd')
  await until(() => byHeader.events.length === 2)
  t.same(
    byHeader.events.map(({ id }) => id),
    ['3', '4'],
    'none is missing; the last may come twice',
  )
  const fromStart = await follow(test, '?from=0')
  await until(() => fromStart.events.length === 4)
  const fromNowhere = await follow(test, '?from=99')
  await until(() => fromNowhere.events.length === 1)
  t.match(fromNowhere.events, [{ id: '4', event: 'reset', data: { type: 'reset', revision: 4 } }])
  for (const client of [byQuery, byHeader, fromStart, fromNowhere]) {
    client.close()
  }
})

t.test('there is room for so many, and no more', async (t) => {
  const test = await testApi(t)
  const clients = await Promise.all(Array.from({ length: 101 }, () => follow(test)))
  t.equal(clients.filter(({ answer }) => answer.statusCode === 429).length, 1)
  clients.forEach((client) => client.close())
  await until(async () => {
    const client = await follow(test)
    client.close()
    return client.answer.statusCode === 200
  })
})

t.test('a large change reaches everybody, whole or as a reset', async (t) => {
  const test = await testApi(t)
  const client = await follow(test)
  const batch = (count: number) => ({
    operations: Array.from({ length: count }, (_, i) => ({
      method: 'PUT',
      path: `/v1/upstreams/u${count}/instances/${'x'.repeat(100)}${i}`,
      body: { host: '10.0.0.1', port: i + 1 },
    })),
  })
  await test.call('POST', '/v1/batch', batch(9000))
  await until(() => client.events.length === 9000)
  const slow = await follow(test, '?from=1')
  slow.answer.pause()
  await test.call('POST', '/v1/batch', batch(10_000))
  await test.call('POST', '/v1/batch', batch(9999))
  slow.answer.resume()
  await until(() => slow.events.some(({ event }) => event === 'reset'))
  t.notOk(slow.ended(), 'it goes on from there')
  await put(test, 'last')
  await until(() => slow.events.at(-1)?.data.id === 'last')
  await until(() => client.events.at(-1)?.data.id === 'last')
  for (const one of [slow, client]) {
    one.close()
  }
})

t.test('a stream ends when the API does', async (t) => {
  const test = await testApi(t)
  const client = await follow(test)
  await test.api.close()
  await until(() => client.ended())
})
