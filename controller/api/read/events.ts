/**
 * GET /v1/events: server-sent events. Each client reads from the feed at its own pace, so it costs
 * no more than what its socket holds; one that falls behind the feed has to read everything
 * anew, one that takes nothing at all is dropped.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ApiContext } from '../context.js'
import { EventStreams, printEvent } from '../http/event-streams.js'
import type { ClientStream } from '../http/event-streams.js'
import { eventResponses } from '../http/openapi.js'
import { EventsQuery } from '../schemas/parameters.js'
import { EventSchema } from '../schemas/event.js'

const MOST_CLIENTS = 100
const HEARTBEAT_MS = 15_000
const RETRY_MS = 1_000

export function registerEvents(
  app: FastifyInstance,
  context: Pick<ApiContext, 'feed' | 'closing'>,
  heartbeatMs = HEARTBEAT_MS,
): void {
  const streams = new EventStreams({
    ...{ most: MOST_CLIENTS, what: 'clients follow events', heartbeatMs, cutsStalled: true },
    headers: { 'content-type': 'text/event-stream; charset=utf-8' },
  })
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
    follow(context, streams.open(reply), from)
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
  stream: ClientStream,
  from: number | undefined,
): void {
  const found = from === undefined ? feed.next : feed.find(from)
  // -1: before everything that is known, so that it begins with a reset.
  let next = found ?? -1
  stream.write(`retry: ${RETRY_MS}\n: events from ${from ?? feed.revision}\n\n`)
  const pump = () => {
    while (!stream.isFull && next < feed.next) {
      const event = feed.at(next)
      next = event ? next + 1 : feed.next
      const shown = event ?? { type: 'reset', revision: feed.revision }
      stream.write(printEvent(shown.type, shown, shown.revision))
    }
  }
  const end = () => stream.end()
  const stop = feed.listen(pump)
  stream.onDrain(pump)
  closing.signal.addEventListener('abort', end)
  stream.onClose(() => {
    stop()
    closing.signal.removeEventListener('abort', end)
  })
  pump()
}
