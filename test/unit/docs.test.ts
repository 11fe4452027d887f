/** What the README and the pages of docs/ promise a reader: links that lead somewhere, short lines. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import t from 'tap'
import { repository } from '../../lab/tools.js'

const MOST_COLUMNS = 120

const pages = ['.', 'docs', ...foldersIn('examples')].flatMap(markdownIn).map((path) => {
  return { path, text: readFileSync(join(repository, path), 'utf8') }
})

function foldersIn(folder: string): string[] {
  return readdirSync(join(repository, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${folder}/${name}`)
}

function markdownIn(folder: string): string[] {
  return readdirSync(join(repository, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name))
}

/** Lines without those of code blocks, which a reader copies and does not follow. */
function proseOf(text: string): string[] {
  let isCode = false
  return text.split('\n').filter((line) => {
    const isFence = /^\s*```/.test(line)
    isCode = isFence ? !isCode : isCode
    return !isFence && !isCode
  })
}

/** `[text](target)`, `![picture](target)`, `<img src="target">` and `<a href="target">`. */
function targetsOf(text: string): string[] {
  const prose = proseOf(text)
    .join('\n')
    .replace(/`[^`\n]*`/g, '')
  const markdown = prose.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)
  const html = prose.matchAll(/<(?:img|a)\s[^>]*(?:src|href)="([^"]+)"/g)
  return [...markdown, ...html].map((match) => match[1] ?? '')
}

/** As GitHub names the headings of a page. */
function anchorsOf(text: string): Set<string> {
  const seen = new Map<string, number>()
  const anchors = new Set<string>()
  for (const line of proseOf(text)) {
    const heading = /^#{1,6} (.*?)\s*#*$/.exec(line)?.[1]
    if (heading === undefined) {
      continue
    }
    const plain = heading.replace(/\]\([^)]*\)/g, ']').toLowerCase()
    const slug = plain.replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '').replaceAll(' ', '-')
    const times = seen.get(slug) ?? 0
    seen.set(slug, times + 1)
    anchors.add(times === 0 ? slug : `${slug}-${times}`)
  }
  return anchors
}

function isBroken(path: string, target: string): boolean {
  if (/^[a-z]+:/.test(target)) {
    return false
  }
  const [file = '', anchor] = target.split('#')
  const to = file === '' ? path : relative(repository, resolve(repository, dirname(path), file))
  if (!existsSync(join(repository, to)) || to.startsWith('..')) {
    return true
  }
  return anchor !== undefined && !anchorsOf(readFileSync(join(repository, to), 'utf8')).has(anchor)
}

t.test('every relative link leads to a file, and its anchor to a heading', async (t) => {
  const targets = pages.flatMap(({ path, text }) => {
    return targetsOf(text).map((target) => ({ path, target }))
  })
  t.ok(targets.length > 20, 'links are found')
  const broken = targets.filter(({ path, target }) => isBroken(path, target))
  t.same(
    broken.map(({ path, target }) => `${path}: ${target}`),
    [],
  )
  t.ok(isBroken('README.md', 'docs/nowhere.md'))
  t.ok(isBroken('README.md', '#no-such-heading'))
})

t.test(`no line of prose is longer than ${MOST_COLUMNS} columns`, async (t) => {
  const read = pages.filter(({ path }) => path !== 'CHANGELOG.md')
  const long = read.flatMap(({ path, text }) => {
    // A row of a table cannot be broken, nor can an address.
    const lines = proseOf(text).filter((line) => !/^\s*\||https?:\/\/\S{60}/.test(line))
    return lines.filter((line) => [...line].length > MOST_COLUMNS).map((line) => `${path}: ${line}`)
  })
  t.same(long, [])
})
