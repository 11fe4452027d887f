/** Server-sent events of a body, as they come. */
import { createParser } from 'eventsource-parser'

/** One server-sent event. `id` is empty where it has none. */
export interface ServerEvent {
  name: string
  id: string
  data: string
}

/** An event is never longer than this many characters; the controller cuts listings into pieces. */
const LONGEST = 16 * 1024 * 1024

/** Comments (heartbeats) are passed over. Throws when an event is too long. */
export async function* readServerEvents(body: AsyncIterable<Buffer>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder()
  let events: ServerEvent[] = []
  let isTooLong = false
  const parser = createParser({
    maxBufferSize: LONGEST,
    onEvent: ({ event = 'message', id = '', data }) => {
      if (data !== '') {
        events.push({ name: event, id, data })
      }
    },
    onError: ({ type }) => (isTooLong ||= type === 'max-buffer-size-exceeded'),
  })
  for await (const chunk of body) {
    parser.feed(decoder.decode(chunk, { stream: true }))
    const parsed = events
    events = []
    yield* parsed
    if (isTooLong) {
      throw new Error('an event is too long')
    }
  }
}
