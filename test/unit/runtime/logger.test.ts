/** What the logger writes of errors. */
import t from 'tap'
import { SluiceError } from '../../../runtime/errors.js'
import { makeLogger } from '../../../runtime/logger.js'

t.test('an error is logged with its message, its stack and its cause', async (t) => {
  const lines: string[] = []
  const log = makeLogger({ part: 'test', level: 'info', to: { write: (line) => lines.push(line) } })
  const cause = new TypeError('the cause')
  log.error({ error: new SluiceError('internal', 'what happened', { cause }) }, 'failed')
  log.error({ error: 'a text' }, 'failed')
  const [first, second] = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  t.match(first, {
    error: { message: 'what happened', code: 'internal', stack: /logger\.test/ },
  })
  t.match(first, { error: { cause: { message: 'the cause' } } })
  t.match(second, { error: 'a text' })
})

t.test('a name of others moves no cursor, and is still the same name', async (t) => {
  const lines: string[] = []
  const log = makeLogger({ part: 'test', level: 'info', to: { write: (line) => lines.push(line) } })
  const name = 'a\u001b[31m\u007f\u009b2J\u202e ü'
  log.info({ name }, 'named')
  t.notMatch(lines[0], /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
  t.equal((JSON.parse(lines[0] ?? '') as { name: string }).name, name)
})
