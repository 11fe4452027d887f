/**
 * That the pages hold together: links lead somewhere, paths exist, no line is too long, pictures
 * are as drawn.
 */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { PICTURES } from '../docs/pictures/pictures.js'
import { printPicture } from '../docs/pictures/shapes.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const MAX_COLUMNS = 120

function pagesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => path.endsWith('.md'))
}

const pages = ['README.md', 'CONTRIBUTING.md', ...pagesBelow('docs'), ...pagesBelow('examples')]

function readPage(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** Without the lines of code blocks, which a reader copies and does not follow. */
function withoutCode(text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, '')
}

/** The name that GitHub gives to each heading of a page; the second of a name ends with `-1`. */
function anchorsOf(text: string): Set<string> {
  const seen = new Map<string, number>()
  const anchors = new Set<string>()
  for (const [, heading = ''] of withoutCode(text).matchAll(/^#{1,6} +(.*?)\s*#*$/gm)) {
    const plain = heading.replaceAll(/\]\([^)]*\)/g, ']').toLowerCase()
    const slug = plain.replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, '').replaceAll(' ', '-')
    const times = seen.get(slug) ?? 0
    seen.set(slug, times + 1)
    anchors.add(times === 0 ? slug : `${slug}-${times}`)
  }
  return anchors
}

/** What is wrong with a link on a page; undefined where it leads somewhere. */
function brokenLink(page: string, link: string): string | undefined {
  const [target = '', anchor] = link.split('#')
  const path = target === '' ? page : relative(root, join(root, dirname(page), target))
  if (path.startsWith('..') || !existsSync(join(root, path))) {
    return `${page}: ${link}: there is no ${path}`
  }
  if (anchor === undefined) {
    return undefined
  }
  const isPage = statSync(join(root, path)).isFile() && anchorsOf(readPage(path)).has(anchor)
  return isPage ? undefined : `${page}: ${link}: ${path} has no such heading`
}

/** Relative ones: `[text](target)`, `![picture](target)`, `<img src="…">` and `<a href="…">`. */
function linksOf(text: string): string[] {
  const prose = withoutCode(text).replaceAll(/`[^`\n]*`/g, (code) =>
    code.replaceAll(/[[\]()<>]/g, ' '),
  )
  const markdown = prose.matchAll(/\]\(<?([^()\s>]+)>?(?:\s+"[^"]*")?\)/g)
  const html = prose.matchAll(/<(?:img|a)\s[^>]*(?:src|href)="([^"]+)"/g)
  return [...markdown, ...html]
    .map(([, link = '']) => link)
    .filter((link) => !/^[a-z]+:/.test(link))
}

t.test('every relative link leads to a file, and to a heading of it', async (t) => {
  const links = [...pages, 'CHANGELOG.md'].flatMap((page) =>
    linksOf(readPage(page)).map((link) => ({ page, link })),
  )
  t.ok(links.length > 20, 'links are found')
  t.same(
    links.flatMap(({ page, link }) => brokenLink(page, link) ?? []),
    [],
  )
  t.ok(brokenLink('README.md', 'docs/nowhere.md'))
  t.ok(brokenLink('README.md', 'docs/tls.md#nowhere'))
  t.ok(brokenLink('README.md', '#no-such-heading'))
  t.ok(brokenLink('README.md', '../elsewhere.md'), 'links stay in the tree')
  t.same([...anchorsOf('# A b\n## A b\n')], ['a-b', 'a-b-1'])
  t.same(linksOf('[a](b.md) and `[c](d.md)` and [e](https://example.com)'), ['b.md'])
})

t.test(`no line is longer than ${MAX_COLUMNS} columns`, async (t) => {
  // These rows come from the code, and a row is one line.
  const ofCode = ['docs/settings.md', 'docs/directives.md']
  const isRow = (page: string, line: string) => ofCode.includes(page) && line.startsWith('|')
  const long = pages.flatMap((page) =>
    readPage(page)
      .split('\n')
      .map((line, index) => ({ line, at: `${page}:${index + 1}` }))
      .filter(({ line }) => line.length > MAX_COLUMNS && !isRow(page, line))
      .map(({ at, line }) => `${at}: ${line.length} columns`),
  )
  t.same(long, [])
})

t.test('the index names every page below docs/', async (t) => {
  const index = 'docs/README.md'
  const named = linksOf(readPage(index)).map((link) => join('docs', link.split('#')[0] ?? ''))
  const below = pagesBelow('docs').filter((page) => page !== index)
  t.same(
    below.filter((page) => !named.includes(page)),
    [],
  )
})

t.test('every path of the tree that a page names exists', async (t) => {
  const folders =
    'agent|bench|cli|contract|controller|lab|nginx|njs|registry|runtime|scripts|setup|test'
  const path = new RegExp(`\`((?:${folders})/[\\w./-]+)\``, 'g')
  const missing = ['CONTRIBUTING.md', 'docs/architecture.md'].flatMap((page) =>
    [...readPage(page).matchAll(path)]
      .map(([, named = '']) => named)
      .filter((named) => !existsSync(join(root, named)))
      .map((named) => `${page}: ${named}`),
  )
  t.same(missing, [])
})

t.test('every picture is as its source draws it', async (t) => {
  for (const [name, picture] of Object.entries(PICTURES)) {
    const drawn = readPage(`docs/pictures/${name}.svg`)
    t.ok(drawn === printPicture(picture), `run: node --import tsx docs/pictures/draw.ts (${name})`)
  }
  const astray = { from: 'nobody.left', to: 'nobody.right' }
  const broken = { title: '', width: 1, height: 1, boxes: {}, arrows: [astray], notes: [] }
  t.throws(() => printPicture(broken), /no box nobody/)
})
