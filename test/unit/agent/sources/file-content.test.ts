/** Files of upstreams and routes: what is read, and at which line something is wrong. */
import t from 'tap'
import { readFileContent } from '../../../../agent/sources/files/file-content.js'

const read = (text: string) => readFileContent(text, { allowLoopback: false })

/** `3 upstreams.web … must be …` of each problem. */
function problems(text: string): string[] {
  const result = read(text)
  return result.ok ? [] : result.problems.map(({ line, text: what }) => `${line} ${what}`)
}

t.test('several documents, in YAML and JSON, with the shapes of REST', async (t) => {
  const yaml = `
upstreams:
  web:
    policy: {balance: random}
    instances:
      - {id: a, host: 10.0.0.1, port: 80, weight: 5}
      - {host: "fd00::1", port: 81}
---
routes:
  shop: {hosts: [shop.test], pathPrefix: /cart, upstream: web}
  data: {port: 9100, protocol: tcp, upstream: web}
---
`
  t.match(read(yaml), {
    ok: true,
    content: {
      settings: [{ upstream: 'web', line: 3, record: { policy: { balance: 'random' } } }],
      instances: [
        { upstream: 'web', id: 'a', line: 6, record: { weight: 5, state: 'up' } },
        { upstream: 'web', id: undefined, line: 7, record: { host: 'fd00::1', weight: 1 } },
      ],
      routes: [
        { id: 'shop', line: 10, record: { hosts: ['shop.test'], pathPrefix: '/cart' } },
        { id: 'data', line: 11, record: { port: 9100 } },
      ],
    },
  })
  const json = '{"upstreams":\n {"web": {"instances":\n [{"host": "10.0.0.1", "port": 80}]}}}'
  t.match(read(json), { ok: true, content: { instances: [{ upstream: 'web', line: 3 }] } })
  t.same(problems(''), [], 'an empty file says nothing')
  t.same(problems('upstreams:\n  web:\n'), [], 'an upstream may have nothing yet')
})

t.test('what is wrong is named by line, field and what was expected', async (t) => {
  const cases: Array<[text: string, ...expected: RegExp[]]> = [
    ['- a', /^1 the document must be an object/],
    ['upstreams: {}\nrouts: {}', /^2 routs is not a known field; known are upstreams, routes/],
    ['upstreams:\n  a:\n   polcy: {}', /^3 upstreams\.a\.polcy is not a known field; known are/],
    ['upstreams:\n  A_b: {}', /^2 upstreams\.A_b its name must be 1 to 63/],
    ['upstreams:\n  a:\n    instances: 3', /^3 upstreams\.a\.instances must be a list/],
    ['upstreams:\n  a:\n    instances:\n    - 3', /^4 upstreams\.a\.instances\[0\] must be an obj/],
    [
      'upstreams:\n  a:\n    instances:\n    - host: web.internal\n      port: 80',
      /^4 upstreams\.a\.instances\[0\]\.host must be an IP address literal/,
    ],
    [
      'upstreams:\n  a:\n    instances:\n    - host: 10.0.0.1\n      port: "80"',
      /^5 upstreams\.a\.instances\[0\]\.port must be a whole number/,
    ],
    [
      'upstreams:\n  a:\n    instances:\n    - {host: 127.0.0.1, port: 80}',
      /^4 .*host 127\.0\.0\.1 is .*not allowed/,
    ],
    [
      'upstreams:\n  a:\n    instances:\n    - {host: 10.0.0.1, port: 80, agent: x}',
      /^4 .*agent is not a known field/,
    ],
    ['upstreams:\n  a:\n    policy:\n      balance: best', /^4 upstreams\.a\.policy\.balance must/],
    ['routes:\n  a:\n    hosts: [x.test]', /^2 routes\.a\.upstream or split must be given/],
    ['routes:\n  a: {}\n  a: {}', /^3 .*unique/],
    ['upstreams: [', /^1 /],
    ['a: *b', /^1 /],
    [
      'upstreams: {}\n---\nroutes:\n  x: {port: 0, protocol: tcp, upstream: a}',
      /^4 routes\.x\.port/,
    ],
  ]
  for (const [text, ...expected] of cases) {
    const found = problems(text)
    t.equal(found.length, expected.length, `${JSON.stringify(text)}: ${found.join(' | ')}`)
    expected.forEach((pattern, i) => t.match(found[i], pattern))
  }
  t.equal(problems('routes:\n  A: {}\n  B: {}').length, 2, 'each of them is named')
})
