/**
 * GET /v1/events: server-sent events. Each client reads from the feed at its own pace, so it costs
 * no more than what its socket holds; one that falls behind the feed has to read everything
 * anew, one that takes nothing at all is dropped.
 */
import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { SluiceError } from '../../../runtime/errors.js'
import type { ControlEvent } from '../../views.js'
import type { ApiContext } from '../context.js'
import { eventResponses } from '../http/openapi.js'
import { EventsQuery } from '../schemas/common.js'
import { EventSchema } from '../schemas/event.js'

const MOST_CLIENTS = 100
const HEARTBEAT_MS = 15_000
const RETRY_MS = 1_000

export function registerEvents(
  app: FastifyInstance,
  context: Pick<ApiContext, 'feed' | 'closing'>,
  heartbeatMs = HEARTBEAT_MS,
): void {
  const clients = new Set<ServerResponse>()
  const schema = {
    operationId: 'events',
    summary: 'Every change and state, as server-sent events',
    description:
      'The id of an event is its revision. With ?from= or Last-Event-ID it begins with the events of that revision (some ' +
      'may come twice), or with an event "reset" when they are not known any more: then read everything anew.',
    tags: ['state'],
    querystring: EventsQuery,
    response: eventResponses(EventSchema, 'Each event has the name and the data of its type'),
  }
  app.get('/v1/events', { schema, exposeHeadRoute: false }, (request, reply) => {
    const from = fromOf(request)
    if (clients.size >= MOST_CLIENTS) {
      throw new SluiceError('too_many', `${MOST_CLIENTS} clients follow events already`)
    }
    reply.hijack()
    const headers = { ...reply.getHeaders(), 'content-type': 'text/event-stream; charset=utf-8' }
    reply.raw.writeHead(200, headers as Record<string, string>)
    clients.add(reply.raw)
    reply.raw.once('close', () => clients.delete(reply.raw))
    follow(context, reply.raw, from, heartbeatMs)
  })
}

function fromOf(request: FastifyRequest): number | undefined {
  const { from } = request.query as { from?: string }
  const last = request.headers['last-event-id']
  const given = from ?? (typeof last === 'string' && /^\d{1,15}$/.test(last) ? last : undefined)
  return given === undefined ? undefined : Number(given)
}

function follow(
  { feed, closing }: Pick<ApiContext, 'feed' | 'closing'>,
  stream: ServerResponse,
  from: number | undefined,
  heartbeatMs: number,
): void {
  const found = from === undefined ? feed.next : feed.find(from)
  // -1: before everything that is known, so that it begins with a reset.
  let next = found ?? -1
  stream.write(`retry: ${RETRY_MS}\n: events from ${from ?? feed.revision}\n\n`)
  const pump = () => {
    while (!stream.writableNeedDrain && next < feed.next) {
      const event = feed.at(next)
      next = event ? next + 1 : feed.next
      stream.write(event ? printEvent(event) : printReset(feed.revision))
    }
  }
  const stopBeating = beat(stream, heartbeatMs)
  const end = () => stream.end()
  const stop = feed.listen(pump)
  stream.on('drain', pump)
  closing.signal.addEventListener('abort', end)
  stream.once('close', () => {
    stop()
    stopBeating()
    closing.signal.removeEventListener('abort', end)
  })
  pump()
}

/** Shows the client that the stream lives, and drops one that took nothing since the last time. */
function beat(stream: ServerResponse, heartbeatMs: number): () => void {
  let taken = -1
  const look = (): void => {
    if (stream.destroyed || stream.writableEnded) {
      return
    }
    const now = stream.socket?.bytesWritten ?? 0
    if (stream.writableNeedDrain && now === taken) {
      stream.destroy()
    } else if (!stream.writableNeedDrain) {
      stream.write(': still here\n\n')
    }
    taken = now
  }
  // After a time in which this process stood still, what its clients took meanwhile is seen first.
  const timer = setInterval(() => setImmediate(look), heartbeatMs)
  return () => clearInterval(timer)
}

function printEvent(event: ControlEvent): string {
  return `id: ${event.revision}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

function printReset(revision: number): string {
  return `id: ${revision}\nevent: reset\ndata: ${JSON.stringify({ type: 'reset', revision })}\n\n`
}
