/** One server-sent event. */
export interface ServerEvent {
  name: string
  id: string
  data: string
}

/** An event is never longer than this many characters; the controller cuts listings into pieces. */
const LONGEST = 16 * 1024 * 1024

/** Server-sent events as they come; comments (heartbeats) are passed over. Throws when one is too long. */
export async function* readEvents(body: AsyncIterable<Buffer>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true })
    const blocks = rest.split('\n\n')
    rest = blocks.pop() ?? ''
    if (rest.length > LONGEST) {
      throw new Error('an event is too long')
    }
    for (const block of blocks) {
      const event = parseBlock(block)
      if (event.data !== '') {
        yield event
      }
    }
  }
}

function parseBlock(block: string): ServerEvent {
  const event: ServerEvent = { name: 'message', id: '', data: '' }
  for (const line of block.split('\n')) {
    const at = line.indexOf(': ')
    const [field, text] = [line.slice(0, at), line.slice(at + 2)]
    if (field === 'event') {
      event.name = text
    }
    if (field === 'id') {
      event.id = text
    }
    if (field === 'data') {
      event.data += text
    }
  }
  return event
}
