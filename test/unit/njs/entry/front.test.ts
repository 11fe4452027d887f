/** The front, called without nginx. */
import t from 'tap'

// A real dict does not throw on a read; here it must be seen what happens if it ever does, past the
// first.
const full = (): never => {
  throw new Error('broken')
}
const get = (key: string): undefined => (key === '@web/0' ? undefined : full())
const counted: string[] = []
let incr: (event: string) => unknown = (event) => counted.push(event)
Object.assign(globalThis, {
  ngx: {
    shared: {
      sluice_table: { get },
      sluice_counter: { incr: (event: string) => incr(event) },
    },
  },
})

t.test('the front never throws', async (t) => {
  const path = '../../../../njs/entry/front.js'
  const { default: front } = (await import(path)) as {
    default: { (r: unknown): string; more(r: unknown): string }
  }
  const said: string[] = []
  const variables = { sluice_key: '@web/1', limit_conn_status: '', sluice_sid: 'x' }
  const request = { uri: '/', status: 0, variables, error: (text: string) => said.push(text) }
  t.equal(front.more(request), '-', 'a request goes on as ever')
  Object.assign(variables, { sluice_key: '@web/0', sluice_shard: '', limit_conn_status: 'PASSED' })
  t.equal(front(request), '', 'what the table has not at once is looked up with care')
  t.equal(front.more(request), '')
  t.equal(variables.sluice_sid, '', 'what cannot be looked up is not trusted')
  Object.assign(variables, { upstream_addr: '10.0.0.1:80' })
  request.status = 200
  t.equal(front.more(request), '- -')
  t.same(counted, ['failed', 'failed', 'failed', 'failed'])
  t.match(said, [
    /first look failed: Error: broken/,
    /pick failed/,
    /second look failed/,
    /name of an instance failed/,
  ])
  incr = full
  t.equal(front(request), '', 'not even when it cannot count')
})
