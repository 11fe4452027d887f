/** An agent's identity: made once, and its own. */
import { readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { loadIdentity } from '../../../agent/identity.js'
import { foldName } from '../../../contract/guard/fold-name.js'
import { temporaryFolder } from '../../../lab/temp.js'

t.test('it is made once, and two homes on one machine differ', async (t) => {
  const [home, other] = [temporaryFolder(t), temporaryFolder(t)]
  const first = await loadIdentity(home, undefined)
  t.same(await loadIdentity(home, undefined), first)
  const second = await loadIdentity(other, undefined)
  t.not(second.id, first.id)
  t.not(second.owner, first.owner)
  t.equal(second.boot, first.boot, 'one machine')
  t.not(second.secrets[0], first.secrets[0])
  t.equal(second.secrets[1], first.secrets[1], 'one start of it')
  const shown = [first.id, first.name, first.owner, first.boot]
  t.notOk(
    first.secrets.some((secret) => shown.includes(secret)),
    'secrets are shown to nobody',
  )
  t.equal(first.name, hostname())
})

t.test('an id that is set goes before; the home stays the same one', async (t) => {
  const home = temporaryFolder(t)
  const { owner } = await loadIdentity(home, 'node-1')
  t.match(await loadIdentity(home, 'node-2'), { id: 'node-2', owner })
})

t.test('an agent of before keeps the id that it registered by', async (t) => {
  const home = temporaryFolder(t)
  writeFileSync(join(home, 'agent-lease.json'), '{}')
  t.equal((await loadIdentity(home, undefined)).id, foldName(hostname()))
  const path = join(home, 'agent-identity.json')
  writeFileSync(path, JSON.stringify({ id: 'before', owner: 'a'.repeat(32) }))
  const first = await loadIdentity(home, undefined)
  t.match(first, { id: 'before', owner: 'a'.repeat(32), secrets: [/^[0-9a-f]{32}$/] })
  t.same(await loadIdentity(home, undefined), first, 'its secret is made once')
})

t.test('an empty file is made anew, a wrong one is refused, and reading writes none', async (t) => {
  const home = temporaryFolder(t)
  const path = join(home, 'agent-identity.json')
  await loadIdentity(home, undefined, true)
  t.throws(() => readFileSync(path), { code: 'ENOENT' })
  writeFileSync(path, '')
  const { id } = await loadIdentity(home, undefined)
  t.match(JSON.parse(readFileSync(path, 'utf8')), { id })
  for (const wrong of [
    '{"id":"Not A Name"}',
    `{"id":"a","owner":"${'a'.repeat(32)}","secret":7}`,
  ]) {
    writeFileSync(path, wrong)
    await t.rejects(loadIdentity(home, undefined), { code: 'invalid', message: /delete it/ })
  }
})
