// That every directive of nginx's proxy and grpc modules is on the list, and the page says what
// the list does.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { temporaryFolder } from '../../../lab/temp.js'
import { runCommand } from '../../../setup/command.js'
import { tools } from '../../../lab/tools.js'
import {
  DIRECTIVE_GROUPS,
  insteadOf,
  namesOf,
  type DirectiveGroup,
} from '../../../nginx/own-directives.js'

const page = fileURLToPath(new URL('../../../docs/directives.md', import.meta.url))
function rowOf(group: DirectiveGroup): string {
  const names = namesOf(group).map((name) => `\`${name}\``)
  const holds = group.instead === undefined ? 'yes' : `no: ${group.instead}`
  return `| ${group.about} | ${holds} | ${names.join(', ')} |`
}

t.test('the page has the table of the code', async (t) => {
  const rows = readFileSync(page, 'utf8').split('\n')
  const from = rows.indexOf('|---|---|---|') + 1
  t.same(rows.slice(from, rows.indexOf('', from)), DIRECTIVE_GROUPS.map(rowOf))
})

t.test('each directive stands once', async (t) => {
  const names = DIRECTIVE_GROUPS.flatMap(namesOf)
  t.same(names, [...new Set(names)])
})

/** Words of the program that may be directives. */
function wordsOf(root: string): string[] {
  const [file = ''] = readdirSync(root, { recursive: true })
    .map((name) => join(root, String(name)))
    .filter((path) => path.endsWith('sbin/nginx'))
  const text = readFileSync(file, 'latin1')
  return [...new Set(text.match(/(?<=\0)(?:proxy|grpc)_[a-z0-9_]+(?=\0)/g))]
}

for (const kind of ['nginx', 'nginxStable'] as const) {
  t.test(`${kind} has no directive that the list has not`, async (t) => {
    const { path } = (await tools())[kind]
    const folder = temporaryFolder(t, 'words')
    const listed = new Set(DIRECTIVE_GROUPS.flatMap(namesOf))
    const words = wordsOf(path.replace(/\/bin\/nginx$/, ''))
    t.ok(words.length > 80, 'they are found')
    for (const word of words.filter((each) => !listed.has(each))) {
      const file = join(folder, 'nginx.conf')
      writeFileSync(file, `events {} http { server { location / { ${word}; } } }`)
      const { stderr } = await runCommand(path, ['-t', '-e', 'stderr', '-p', folder, '-c', file])
      t.match(stderr, /unknown directive|is not allowed here/, word)
    }
  })
}

t.test('what is to be done instead', async (t) => {
  t.equal(insteadOf('proxy_http_version', ['1.1']), undefined)
  t.match(insteadOf('proxy_http_version', ['2']), /protocol/)
  t.match(insteadOf('proxy_ssl_verify', ['on']), /tls/)
  t.equal(insteadOf('proxy_set_header', ['X-Mine', '1']), undefined)
  t.ok(insteadOf('proxy_set_header', ['Expect', '100-continue']))
  t.equal(insteadOf('proxy_hide_header', ['X-Mine']), undefined)
})
