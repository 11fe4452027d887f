/** The Debian archive that this machine's apt is set up for. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SetupError } from './errors.js'

export interface DebianArchive {
  uri: string
  keyring: string
}

interface Source {
  uri: string
  suites: string[]
  components: string[]
  signedBy: string | undefined
}

const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const RELEASES = /^(buster|bullseye|bookworm|trixie|forky|duke|sid|(old)?stable|testing|unstable)$/

/** The Debian archive as this machine's administrator reaches it. */
export function debianArchive(etcApt = '/etc/apt'): DebianArchive {
  const source = findArchive(etcApt)
  if (!source) {
    throw new SetupError(
      'no_mirror',
      `no Debian archive is configured in ${etcApt} on this machine`,
    )
  }
  const keyring = source.signedBy ?? DEBIAN_KEYRING
  if (!existsSync(keyring)) {
    throw new SetupError('no_keyring', `${keyring} is missing: install debian-archive-keyring`)
  }
  return { uri: source.uri, keyring }
}

/** Third parties name their suites like Debian's, but sign with keys of their own. */
export function findArchive(etcApt: string): Source | undefined {
  const candidates = readSources(etcApt).filter(isDebianArchive)
  return candidates.find(({ uri }) => /\/debian\/?$/.test(uri)) ?? candidates[0]
}

function isDebianArchive({ uri, suites, components, signedBy }: Source): boolean {
  return (
    !uri.startsWith('cdrom:') &&
    suites.some((suite) => RELEASES.test(suite)) &&
    components.includes('main') &&
    (signedBy === undefined || /debian-archive/.test(signedBy))
  )
}

function readSources(etcApt: string): Source[] {
  const parts = join(etcApt, 'sources.list.d')
  const names = existsSync(parts) ? readdirSync(parts).sort() : []
  return [join(etcApt, 'sources.list'), ...names.map((name) => join(parts, name))]
    .filter((file) => existsSync(file))
    .flatMap((file) => {
      const text = readFileSync(file, 'utf8')
      if (file.endsWith('.list')) {
        return text.split('\n').flatMap(parseLine)
      }
      return file.endsWith('.sources') ? text.split(/\n\s*\n/).flatMap(parseStanza) : []
    })
}

/** `deb [signed-by=/path arch=amd64] URI suite component …` */
function parseLine(line: string): Source[] {
  const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line)
  if (!match) {
    return []
  }
  const [, options = '', uri = '', suite = '', components = ''] = match
  const signedBy = /signed-by=(\S+)/.exec(options)?.[1]
  return [{ uri, suites: [suite], components: words(components), signedBy }]
}

/** A stanza of the deb822 format; a key written out in place of a path counts as no path. */
function parseStanza(stanza: string): Source[] {
  const field = (name: string): string =>
    new RegExp(`^${name}:([^\\n]*(?:\\n[ \\t][^\\n]*)*)`, 'im').exec(uncommented(stanza))?.[1] ?? ''
  if (!words(field('Types')).includes('deb') || /^\s*no\s*$/i.test(field('Enabled'))) {
    return []
  }
  const signedBy = words(field('Signed-By')).find((word) => word.startsWith('/'))
  const suites = words(field('Suites'))
  const components = words(field('Components'))
  return words(field('URIs')).map((uri) => ({ uri, suites, components, signedBy }))
}

function uncommented(text: string): string {
  return text.replace(/^#.*\n?/gm, '')
}

function words(text: string): string[] {
  return text.split(/\s+/).filter(Boolean)
}
