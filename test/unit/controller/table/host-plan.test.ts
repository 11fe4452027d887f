/** The routes of a host, compiled. */
import fc from 'fast-check'
import t from 'tap'
import { isMet } from '../../../../contract/table/route-condition.js'
import type { Variables } from '../../../../contract/table/route-condition.js'
import { INLINE_BYTES } from '../../../../contract/table/host-record.js'
import type { RouteRecord } from '../../../../contract/record/route.js'
import { printConditions } from '../../../../contract/record/route-match.js'
import { isTableKey, isTableValue } from '../../../../contract/table/table.js'
import type { Unit } from '../../../../controller/table/unit.js'
import { compileHost } from '../../../../controller/table/host-unit.js'
import { planHosts } from '../../../../controller/table/host-planner.js'
import type { HostsPlan } from '../../../../controller/table/host-plan.js'
import { readUnits } from '../../../../controller/push/table-reader.js'
import { match } from '../../../../controller/api/explain/match.js'
import { findUnit } from '../../../../njs/table/lookup.js'

type Wanted = Partial<RouteRecord> & { hosts: string[]; upstream: string }

function route(id: string, record: Wanted) {
  return { id, record: { pathPrefix: '/', ...record }, revision: 1 }
}

function unitsOf({ hosts }: HostsPlan): Unit[] {
  return [...hosts.values()].map(({ host, routes }) => compileHost(host, routes, new Map()))
}

/** As a delta would be let in. */
function tableOf(units: Unit[]): Map<string, string> {
  const table = new Map(units.flatMap(({ entries }) => [...entries]))
  for (const [key, value] of table) {
    if (!isTableKey(key) || !isTableValue(key, value)) {
      throw new Error(key)
    }
  }
  return table
}

function find(table: Map<string, string>, host: string, uri: string, variables: Variables = {}) {
  return findUnit(table as never, `@${host}/7`, { uri, variables })
}

const lines = (plan: HostsPlan, host: string) =>
  plan.hosts.get(host)?.routes.map(({ prefix, conditions, target }) => {
    return [prefix, conditions.replaceAll('\t', ' & '), target].filter(Boolean).join(' ')
  })

t.test('of one path: a method, then more conditions, then exact ones, then the id', async (t) => {
  const at = { hosts: ['a.test'] }
  const plan = planHosts(
    [
      route('a', { ...at, upstream: 'plain' }),
      route('b', { ...at, headers: { 'x-a': true }, upstream: 'any' }),
      route('c', { ...at, headers: { 'x-a': '1' }, upstream: 'exact' }),
      route('d', { ...at, headers: { 'x-b': true }, cookies: { c: true }, upstream: 'two' }),
      route('e', { ...at, methods: ['GET'], upstream: 'method' }),
      route('agent-1', { ...at, arguments: { v: '1' }, upstream: 'theirs' }),
      route('z', { ...at, pathPrefix: '/z', upstream: 'longer' }),
    ],
    [],
    ['localhost'],
  )
  t.same(lines(plan, 'a.test'), [
    '/z :longer',
    '/ request_method=GET :method',
    '/ http_x_b & cookie_c :two',
    '/ http_x_a=1 :exact',
    '/ arg_v=1 :theirs',
    '/ http_x_a :any',
    '/ :plain',
  ])
  t.same(plan.overruled, [])
  t.equal(plan.hosts.get('a.test')?.fast, undefined)
})

t.test(
  'the same conditions twice: the second is overruled; the own name stays below',
  async (t) => {
    const at = { hosts: ['web.localhost'], headers: { 'x-a': '1', 'x-b': true as const } }
    const turned = { ...at, headers: { 'x-b': true as const, 'x-a': '1' } }
    const plan = planHosts(
      [route('b', { ...at, upstream: 'b' }), route('a', { ...turned, upstream: 'a' })],
      ['web'],
      ['localhost'],
    )
    t.same(lines(plan, 'web.localhost'), ['/ http_x_a=1 & http_x_b :a', '/ :web'])
    t.match(plan.overruled, [{ route: 'b', host: 'web.localhost', why: /route a has \/ there/ }])
  },
)

t.test('only a host that is asked by its own name has slots of its own', async (t) => {
  const hosts = ['a.test', '*.test', 'a.*', '*']
  const plan = planHosts([route('r', { hosts, upstream: 'web' })], [], ['localhost'])
  const fast = hosts.map((host) => plan.hosts.get(host)?.fast)
  t.same(fast, [':web', undefined, undefined, undefined])
})

t.test('conditions at one path are bounded, and what comes before stays', async (t) => {
  const many = Array.from({ length: 300 }, (_, i) =>
    route(`r${String(i).padStart(3, '0')}`, {
      hosts: ['web.localhost'],
      headers: { 'x-long': `${'v'.repeat(240)}${i}` },
      upstream: 'other',
    }),
  )
  const plan = planHosts(many, ['web'], ['localhost'])
  t.ok(plan.overruled.length > 0 && plan.overruled.length < 300)
  t.match(plan.overruled[0]?.why, /too many conditions at \//)
  const table = tableOf(unitsOf(plan))
  t.equal(find(table, 'web.localhost', '/', { http_x_long: `${'v'.repeat(240)}0` }), ':other')
  t.equal(find(table, 'web.localhost', '/'), ':web')
})

t.test('ten thousand paths: each is found, in values as small as those of a few', async (t) => {
  const many = Array.from({ length: 10_000 }, (_, i) =>
    route(`r${i}`, { hosts: ['a.test'], pathPrefix: `/t${i % 100}/s/p${i}`, upstream: `u${i}` }),
  )
  const root = route('root', { hosts: ['a.test'], upstream: 'root' })
  const table = tableOf(unitsOf(planHosts([...many, root], [], ['localhost'])))
  const sizes = [...table.values()].map(({ length }) => length)
  t.ok(Math.max(...sizes) < 3000, `${Math.max(...sizes)}`)
  for (let i = 0; i < 10_000; i += 7) {
    const path = `/t${i % 100}/s/p${i}`
    if (find(table, 'a.test', `${path}/x`) !== `:u${i}`) {
      t.fail(path)
    }
  }
  t.equal(find(table, 'a.test', '/t1/s/p2'), ':root')
  t.equal(find(table, 'a.test', `/${'s/'.repeat(3000)}`), ':root')
})

const label = fc.constantFrom('a', 'b', 'c')
const name = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'))
const pattern = fc.oneof(
  name,
  name.map((text) => `*.${text}`),
  name.map((text) => `${text}.*`),
  fc.constant('*'),
)
const segments = fc.array(fc.constantFrom('a', 'ab', 'b-c', 'x'.repeat(60)), { maxLength: 4 })
const path = segments.map((list) => `/${list.join('/')}`)
const value = fc.constantFrom('1', '2', true as const)
const maybe = <T>(made: fc.Arbitrary<T>) => fc.option(made, { nil: undefined })
const record = fc.record({
  hosts: fc.uniqueArray(pattern, { minLength: 1, maxLength: 2 }),
  pathPrefix: path,
  methods: maybe(fc.constantFrom<string[]>(['GET'], ['POST', 'PUT'])),
  headers: maybe(fc.record({ 'x-a': value })),
  cookies: maybe(fc.record({ c: value })),
})
const asked = fc.record({
  host: name,
  path: fc.tuple(path, fc.constantFrom('', '/', 'z')).map(([text, end]) => text + end),
  variables: fc.record({
    request_method: fc.constantFrom('GET', 'PUT', 'HEAD'),
    http_x_a: fc.constantFrom(undefined, '', '1', '3'),
    cookie_c: fc.constantFrom(undefined, '2'),
  }),
})

/** The routes in force one after the other, the slow and plain way. */
function slowly(records: Wanted[], { host, path, variables }: Asked): string {
  const fits = (hostPattern: string): boolean =>
    hostPattern === '*' ||
    hostPattern === host ||
    (hostPattern.startsWith('*.') && host.endsWith(hostPattern.slice(1))) ||
    (hostPattern.endsWith('.*') && host.startsWith(hostPattern.slice(0, -1)))
  const classOf = (text: string): number =>
    text === '*' ? 3 : text.startsWith('*') ? 1 : text.endsWith('*') ? 2 : 0
  const [best] = [...new Set(records.flatMap(({ hosts }) => hosts))]
    .filter(fits)
    .sort((a, b) => classOf(a) - classOf(b) || b.length - a.length)
  const rank = ({ methods, headers = {}, cookies = {} }: Wanted): number => {
    const values = [...Object.values(headers), ...Object.values(cookies)]
    const exact = values.filter((one) => one !== true).length
    return (methods === undefined ? 0 : 1000) + values.length * 10 + exact
  }
  const found = records.filter((one) => {
    const { hosts, pathPrefix: prefix = '/' } = one
    const conditions = printConditions(one).split('\t').filter(Boolean)
    return (
      best !== undefined &&
      hosts.includes(best) &&
      (prefix === '/' || `${path}/`.startsWith(`${prefix}/`)) &&
      conditions.every((condition) => isMet(condition, variables))
    )
  })
  const length = ({ pathPrefix = '/' }: Wanted) => pathPrefix.length
  const [first] = found.sort((a, b) => length(b) - length(a) || rank(b) - rank(a))
  return first === undefined ? '' : `:${first.upstream}`
}
type Asked = { host: string; path: string; variables: Variables }

t.test('any routes: the table, explain and the plain way are of one opinion', async (t) => {
  let chunked = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { maxLength: 60, size: 'max' }),
      fc.array(asked, { minLength: 1, maxLength: 20 }),
      async (records, questions) => {
        const named: Wanted[] = records.map(({ methods, headers, cookies, ...rest }, i) => ({
          ...rest,
          ...(methods !== undefined && { methods }),
          ...(headers !== undefined && { headers }),
          ...(cookies !== undefined && { cookies }),
          upstream: `u${String(i).padStart(2, '0')}`,
        }))
        const plan = planHosts(
          named.map((one) => route(one.upstream, one)),
          [],
          ['localhost'],
        )
        const units = unitsOf(plan)
        const table = tableOf(units)
        chunked += units.filter(({ entries }) => entries.size > 1).length
        for (const question of questions) {
          const wanted = slowly(named, question)
          const found = find(table, question.host, question.path, question.variables)
          const explained = match(plan, question, false, [])?.split.split[0]?.upstream
          if (found !== wanted || (explained === undefined ? '' : `:${explained}`) !== wanted) {
            throw new Error(`${JSON.stringify(question)}: ${found}, ${explained}, ${wanted}`)
          }
        }
        const read = (keys: string[]) => Promise.resolve(keys.map((key) => table.get(key) ?? null))
        const there = units.map((unit) => {
          return { name: unit.name, record: table.get(unit.name), also: [] }
        })
        const back = await readUnits(read, there)
        for (const unit of units) {
          t.same(back.get(unit.name)?.entries, unit.entries)
        }
      },
    ),
  )
  t.ok(chunked > 0, `some hosts have more than ${INLINE_BYTES} bytes of routes`)
})

t.test('an upstream answers at its own name below each domain, or by routes alone', (t) => {
  const hosts = (domains: string[]) => [...planHosts([], ['web'], domains).hosts.keys()]
  t.same(hosts(['a.example', 'b.example']), ['web.a.example', 'web.b.example'])
  t.same(hosts([]), [])
  t.end()
})
