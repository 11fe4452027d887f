/** The Debian archive, found in a machine's sources of apt. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findArchive } from '../../../setup/apt-sources.js'
import { temporaryFolder } from '../../../lab/temp.js'

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

t.test('the archive is found in the deb822 format, among third parties', async (t) => {
  const folder = etcApt(t, {
    'sources.list.d/a.list':
      'deb [arch=amd64 signed-by=/keys/vendor.gpg] https://vendor.test stable main',
    'sources.list.d/debian.sources': [
      'Types: deb deb-src',
      '# http://snapshot.test/debian',
      'URIs: http://mirror.test/debian',
      'Suites: bookworm bookworm-updates',
      'Components: main',
      `Signed-By: ${KEYRING}`,
      '',
      'Types: deb',
      'URIs: http://mirror.test/debian-security',
      'Suites: bookworm-security',
      'Components: main',
    ].join('\n'),
  })
  t.match(findArchive(folder), { uri: 'http://mirror.test/debian', signedBy: KEYRING })
})

t.test('a disabled stanza and a source-only one are passed over', async (t) => {
  const stanza = (uri: string, more: string): string =>
    `URIs: ${uri}\nSuites: trixie\nComponents: main contrib\n${more}\n\n`
  const folder = etcApt(t, {
    'sources.list.d/debian.sources':
      stanza('http://off.test/debian', 'Types: deb\nEnabled: no') +
      stanza('http://source.test/debian', 'Types: deb-src') +
      stanza('http://on.test/debian', 'Types: deb\nSigned-By:\n -----BEGIN PGP\n .\n abc'),
  })
  t.match(findArchive(folder), { uri: 'http://on.test/debian', signedBy: undefined })
})

t.test('the archive is found in the format of one line each', async (t) => {
  const folder = etcApt(t, {
    'sources.list': [
      '# deb http://comment.test/debian bookworm main',
      'deb cdrom:[Debian]/ bookworm main',
      'deb-src http://mirror.test/debian bookworm main',
      'deb http://mirror.test/other bookworm main # a copy',
      'deb http://mirror.test/debian/ bookworm main contrib',
    ].join('\n'),
  })
  t.equal(findArchive(folder)?.uri, 'http://mirror.test/debian/')
})

t.test('where there is none, none is made up', async (t) => {
  t.equal(findArchive(etcApt(t, {})), undefined)
  const ubuntu = { 'sources.list': 'deb http://mirror.test/ubuntu noble main universe' }
  t.equal(findArchive(etcApt(t, ubuntu)), undefined)
})

function etcApt(t: Test, files: Record<string, string>): string {
  const folder = temporaryFolder(t, 'apt')
  mkdirSync(join(folder, 'sources.list.d'))
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), `${text}\n`)
  }
  return folder
}
