import t from 'tap'

// A real dict does not throw on a read; here it must be seen what happens if it ever does.
const full = (): never => {
  throw new Error('broken')
}
const counted: string[] = []
let incr: (event: string) => unknown = (event) => counted.push(event)
Object.assign(globalThis, {
  ngx: {
    shared: {
      sluice_table: { get: full },
      sluice_counter: { incr: (event: string) => incr(event) },
    },
  },
})

t.test('the front never throws', async (t) => {
  const path = '../../njs/main.js'
  const { default: front } = (await import(path)) as {
    default: { sid(r: unknown): string; recheck(r: unknown): string; log(r: unknown): string }
  }
  const said: string[] = []
  const variables = { sluice_key: ':web/0', upstream_addr: '10.0.0.1:80', sluice_sid: 'x' }
  const request = { uri: '/', variables, error: (text: string) => said.push(text) }
  t.equal(front.sid(request), '')
  t.equal(front.log(request), '- - 0')
  t.equal(front.recheck(request), '')
  t.equal(variables.sluice_sid, '', 'what cannot be looked up is not trusted')
  t.same(counted, ['failed', 'failed', 'failed'])
  t.match(said, [/pick failed: Error: broken/, /report failed/, /second look failed/])
  incr = full
  t.equal(front.sid(request), '', 'not even when it cannot count')
})
