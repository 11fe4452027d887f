/** The replay of events, and slow clients. */
import { once } from 'node:events'
import { get } from 'node:http'
import type { Socket } from 'node:net'
import type { IncomingMessage } from 'node:http'
import { fastify } from 'fastify'
import t from 'tap'
import { EventFeed } from '../../../../../controller/api/read/event-feed.js'
import { registerEvents } from '../../../../../controller/api/read/events.js'
import { Touched } from '../../../../../controller/api/change/last-touched.js'
import type { ControllerEvent } from '../../../../../controller/views.js'

function source() {
  let emit: (event: ControllerEvent) => void = () => undefined
  let revision = 0
  const control = {
    desired: () => ({
      revision,
      upstreams: new Map(),
      routes: new Map(),
      streamRoutes: new Map(),
      certificates: new Map(),
    }),
    subscribe: (listener: (event: ControllerEvent) => void) => {
      emit = listener
      return () => undefined
    },
  }
  const change = (to: number, id = 'a') => {
    revision = to
    emit({ type: 'change', revision, kind: 'instance', upstream: 'web', id, state: 'up' })
  }
  return { control, change }
}

t.test('the feed knows what it has, and what it has no more', async (t) => {
  const { control, change } = source()
  const feed = new EventFeed(control, new Touched(), 10)
  for (let revision = 1; revision <= 20; revision++) {
    change(revision)
  }
  t.equal(feed.find(0), 0)
  t.equal(feed.find(21), undefined, 'not a revision yet')
  t.equal(feed.find(20), 19)
  change(21)
  t.equal(feed.find(9), undefined, 'dropped')
  t.equal(feed.find(10), 10, 'all after it is there')
  t.match(feed.at(10), { revision: 11 })
  t.equal(feed.at(9), null)
  t.equal(feed.at(feed.next), undefined)
  const next = feed.next
  change(3)
  await Promise.resolve()
  t.equal(feed.at(next), null, 'who follows is to begin anew')
  t.equal(feed.find(15), undefined, 'a store that counts anew makes the old ones void')
  t.equal(feed.find(3), feed.next)
  change(4)
  t.match(feed.at(feed.find(4) as number), { revision: 4 })
})

t.test('a client that takes nothing is dropped, one that reads is not', async (t) => {
  const { control, change } = source()
  const feed = new EventFeed(control, new Touched())
  const app = fastify({ forceCloseConnections: true })
  registerEvents(app, { feed, closing: new AbortController() }, 1000)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  const open = () =>
    new Promise<IncomingMessage>((resolve, reject) => {
      get(`${url}/v1/events?from=0`, { agent: false }, resolve).on('error', reject)
    })
  const served: Socket[] = []
  app.server.on('connection', (socket) => served.push(socket))
  const slow = await open()
  slow.on('error', () => undefined)
  const quick = await open()
  let beats = 0
  quick.setEncoding('utf8').on('data', (text: string) => {
    beats += text.split('still here').length - 1
  })
  const dropped = once(served[0] as Socket, 'close')
  // More than the kernel holds for a socket.
  for (let revision = 1; revision <= 150; revision++) {
    change(revision, 'x'.repeat(100_000))
  }
  await dropped
  const before = beats
  while (beats === before) {
    await once(quick, 'data')
  }
  t.pass('the other one still hears')
  t.notOk(served[1]?.destroyed)
  slow.destroy()
  quick.destroy()
})

t.test('when an instance changed is remembered, up to a bound', async (t) => {
  const touched = new Touched()
  const note = (id: string, revision: number) =>
    touched.note({ type: 'change', revision, kind: 'instance', upstream: 'u', id, state: 'up' })
  note('first', 1)
  for (let i = 2; i <= 20_001; i++) {
    note(`i${i}`, i)
  }
  t.equal(touched.revisionOf({ upstream: 'u', id: 'i20001' }), 20_001)
  t.equal(touched.revisionOf({ upstream: 'u', id: 'first' }), 0)
})
