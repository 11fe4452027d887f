/** An engine's event stream: its lines, and what each says. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import fc from 'fast-check'
import t from 'tap'
import { parseEvent, splitLines } from '../../../../agent/engine/events.js'

async function split(chunks: Buffer[]): Promise<{ lines: string[]; overflows: number }> {
  const lines: string[] = []
  let overflows = 0
  const splitter = splitLines(
    (line) => lines.push(line),
    () => (overflows += 1),
  )
  await pipeline(Readable.from(chunks), splitter)
  return { lines, overflows }
}

t.test('lines come out whole, wherever the bytes are cut', async () => {
  const line = fc.string({ unit: 'grapheme', minLength: 1 }).map((text) => JSON.stringify({ text }))
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(fc.nat(60)), async (lines, cuts) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
      const chunks: Buffer[] = []
      let at = 0
      for (const cut of cuts) {
        chunks.push(bytes.subarray(at, at + cut))
        at += cut
      }
      chunks.push(bytes.subarray(at))
      assert.deepEqual((await split(chunks)).lines, lines)
    }),
  )
})

t.test('an endless line is dropped once, and what follows is read', async (t) => {
  const part = Buffer.alloc(700_000, 'x')
  const { lines, overflows } = await split([part, part, part, Buffer.from('\n{"a":1}\r\n\n{"b"')])
  t.same(lines, ['{"a":1}'])
  t.equal(overflows, 1)
})

t.test('events of Docker and of podman', async (t) => {
  const event = (raw: object) => parseEvent(JSON.stringify(raw))
  const id = 'c'.repeat(64)
  const Actor = (attributes: Record<string, string> = {}) => ({ ID: id, Attributes: attributes })
  const of = (action: string, signal?: number) => ({ action, container: id, signal })
  const kill = { Type: 'container', Action: 'kill', Actor: Actor({ signal: '15' }) }
  t.same(event(kill), of('kill', 15))
  t.same(event({ Type: 'container', Action: 'died', Actor: Actor() }), of('die'))
  t.same(event({ status: 'start', id }), of('start'), 'the old shape')
  const healthy = { Type: 'container', Action: 'health_status: healthy', Actor: Actor() }
  t.same(event(healthy), of('health_status'))
  t.same(event({ ...healthy, Action: 'health_status' }), of('health_status'))
  const connect = {
    Type: 'network',
    Action: 'connect',
    Actor: { ID: 'net', Attributes: { container: id } },
  }
  t.same(event(connect), of('connect'))
  t.equal(event({ Type: 'network', Action: 'create', Actor: { ID: 'net' } }), null)
  t.equal(event({ Type: 'image', Action: 'pull', Actor: Actor() }), null)
  t.equal(parseEvent('{"Type":'), null)
  t.equal(parseEvent('null'), null)
  t.equal(parseEvent('7'), null)
})
