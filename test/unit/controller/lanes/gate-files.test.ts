/** Gates as files: closed means closed, and what cannot be closed is refused. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  closeAllGates,
  closeGate,
  closeOtherGates,
  gateFile,
  makeGateFolder,
  openGate,
} from '../../../../controller/lanes/gate-files.js'
import { temporaryFolder } from '../../../../lab/temp.js'
import { readOnly } from '../../../support/read-only.js'

const A = { id: '00ff00ff00ff00ff', arms: [0] }
const B = { id: '0001aaaaaaaaaaaa', arms: [0] }
const MANY = { id: '0000aaaaaaaaaaaa', arms: [0, 1, 2] }

function listed(home: string): string[] {
  return readdirSync(join(home, 'gates')).sort()
}

t.test('opened, closed, and closed again', async (t) => {
  const home = temporaryFolder(t, 'gates')
  makeGateFolder(home)
  openGate(home, A)
  openGate(home, A)
  openGate(home, B)
  t.equal(listed(home).length, 2)
  t.ok(gateFile(home, A).startsWith(join(home, 'gates', A.id)))
  closeGate(home, A)
  closeGate(home, A)
  t.same(listed(home), [`${B.id}-`])
  closeAllGates(home)
  t.same(listed(home), [])
})

t.test('a gate to several lanes has a file for each', async (t) => {
  const home = temporaryFolder(t, 'gates')
  makeGateFolder(home)
  openGate(home, MANY)
  openGate(home, B)
  t.same(listed(home), [...MANY.arms.map((arm) => `${MANY.id}.${arm}`), `${B.id}-`])
  t.same([...closeOtherGates(home, new Set([MANY.id]))], [MANY.id])
  t.equal(listed(home).length, 3)
  closeGate(home, MANY)
  t.same(listed(home), [])
})

t.test('what others opened is closed, and what is open is known', async (t) => {
  const home = temporaryFolder(t, 'gates')
  makeGateFolder(home)
  openGate(home, A)
  openGate(home, B)
  writeFileSync(join(home, 'gates', 'a stray file'), '')
  mkdirSync(join(home, 'gates', 'lost+found'))
  t.same([...closeOtherGates(home, new Set([A.id, 'ffff000000000000']))], [A.id])
  t.same(listed(home), [gateFile(home, A).slice(home.length + '/gates/'.length), 'lost+found'])
})

t.test('one that stays open is an error that names it', async (t) => {
  const home = temporaryFolder(t, 'gates')
  makeGateFolder(home)
  openGate(home, A)
  const undo = readOnly(t, join(home, 'gates'))
  const refused = { code: 'internal', message: `the gate ${gateFile(home, A)} cannot be closed` }
  for (const close of [
    () => closeGate(home, A),
    () => closeAllGates(home),
    () => closeOtherGates(home, new Set([B.id])),
  ]) {
    t.throws(close, { code: refused.code })
    t.throws(close, new RegExp(refused.message))
  }
  closeGate(home, B)
  t.pass('one that is not there is closed')
  t.throws(() => openGate(home, B))
  undo()
  closeGate(home, A)
  t.same(listed(home), [])
})

t.test('without its folder, and with a file in its place, a gate is closed', async (t) => {
  const home = temporaryFolder(t, 'gates')
  closeGate(home, A)
  rmSync(join(home, 'gates'), { recursive: true, force: true })
  writeFileSync(join(home, 'gates'), '')
  closeGate(home, A)
  t.throws(() => openGate(home, A))
  closeAllGates(home)
  t.throws(() => makeGateFolder(home), 'nothing could ever be opened')
})
