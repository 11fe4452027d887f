/** Every example does what its README says, and leaves nothing in the way of another. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { blocksOf, runPage } from '../support/examples.js'
import { httpCall } from '../support/http-call.js'
import { repository } from '../../lab/tools.js'
import { findFree } from '../../cli/start/ports.js'
import { until } from '../../lab/until.js'

t.setTimeout(170_000)

const found = readdirSync(join(repository, 'examples'), { withFileTypes: true })
const pages = found
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => join('examples', name, 'README.md'))

for (const page of pages) {
  t.test(page, async (t) => {
    const { socket, own } = await runPage(t, page)
    for (const kind of socket === undefined ? [] : ['routes', 'upstreams']) {
      const { body } = await httpCall(`http://api/v1/${kind}`, { ...(socket && { socket }) })
      t.same(body[kind], [], `no ${kind} are left`)
    }
    for (const port of own) {
      const isFree = async () => (await findFree('127.0.0.1', port)) === port
      await until(isFree, { what: `the end of what has port ${port}` })
    }
  })
}

/** What stands in for one thing only: ports, hosts, names of upstreams and of routes. */
const TAKEN = [
  /\b9[01]\d\d\b/g,
  /\b[\w-]+\.example\.com\b/g,
  /(?<=sluice register )[\w-]+/g,
  /(?<=upstreams\/)[\w-]+/g,
  /(?<=routes put |routes\/)[\w-]+/g,
]

t.test('neither the tour nor an example takes what another has', async (t) => {
  const owners = new Map<string, string>()
  for (const page of ['README.md', ...pages]) {
    const commands = blocksOf(readFileSync(join(repository, page), 'utf8'))
    const text = commands.map((block) => block.commands).join('')
    for (const [kind, pattern] of TAKEN.entries()) {
      for (const name of new Set(text.match(pattern))) {
        const taken = `${kind} ${name}`
        t.equal(owners.get(taken) ?? page, page, name)
        owners.set(taken, page)
      }
    }
  }
})
