/**
 * Expected picks of every balance over the same lists, and what holds for all of them. Runs in Node
 * and, bundled, in both engines over nginx's own dicts; written in the dialect of njs. Answers a
 * line for each thing that is not as it should be.
 */
import {
  CHUNK_ENTRIES,
  RING_CHUNK,
  RING_POSITIONS,
  printEntry,
  printRules,
} from '../../contract/table/rules.js'
import type { RuleBalance, Rules } from '../../contract/table/rules.js'
import { SlotMark } from '../../contract/table/mark.js'
import { textOf } from '../../contract/table/text-of.js'
import { addTime, earnTry, enterLoad, isTrialOpen, leaveLoad } from '../../njs/memory/load.js'
import { meanTime, spendTry, takeTrial } from '../../njs/memory/load.js'
import { chooseByRules } from '../../njs/choose/policy/balance.js'
import { nthNumber } from '../../njs/choose/policy/list.js'
import { sessionEntry } from '../../njs/choose/policy/session.js'
import { quickPick } from '../../njs/front/quick-pick.lazy.js'
import type { FrontRequest } from '../../njs/front/request.js'
import type { Zones } from '../../njs/memory/dict.js'
import type { SuiteDicts } from './njs-suite.js'
import { NO_RULES } from '../../lab/nginx/no-rules.js'

interface Listed {
  name: string
  weight: number
  maxConns: number
}

const UNIT = ':web'
const BALANCES: RuleBalance[] = ['w', 't', 'l', 'r', 'c', 's', 'h']

function sid(name: string): string {
  return (name + '00000000000000000000000000000000').slice(0, 32)
}

function listed(names: string): Listed[] {
  return names === ''
    ? []
    : names.split(' ').map((text) => {
        const parts = text.split(':')
        return {
          name: parts[0] as string,
          weight: Number(parts[1] || 1),
          maxConns: Number(parts[2] || 0),
        }
      })
}

function write(dicts: SuiteDicts, all: Listed[]): void {
  for (let i = 0; i * CHUNK_ENTRIES < all.length; i++) {
    const chunk = all.slice(i * CHUNK_ENTRIES, (i + 1) * CHUNK_ENTRIES)
    const text = chunk.map((one) =>
      printEntry({ sid: sid(one.name), weight: one.weight, maxConns: one.maxConns }),
    )
    dicts.table.set(UNIT + '%' + i, text.join(''))
  }
}

/**
 * Even positions are nine equal parts that go to the first `count` of the list in turn; odd ones go
 * round.
 */
function writeRing(dicts: SuiteDicts, count: number): void {
  for (let i = 0; i * RING_CHUNK < RING_POSITIONS; i++) {
    let text = ''
    for (let n = 0; n < RING_CHUNK && i * RING_CHUNK + n < RING_POSITIONS; n++) {
      const at = i * RING_CHUNK + n
      const part = at % 2 === 0 ? Math.floor((at * 9) / RING_POSITIONS) : (at - 1) / 2
      text += count === 0 ? '' : '00' + (part % count)
    }
    dicts.table.set(UNIT + '=' + i, text)
  }
}

function rulesOf(balance: RuleBalance, main: Listed[], spill: number): Rules {
  const seen: { [name: string]: number } = {}
  main.forEach((one) => {
    seen[one.name] = one.weight
  })
  return Object.assign({}, NO_RULES, {
    balance: balance,
    count: main.length,
    spill: spill,
    key: 'uri',
    weights: Object.keys(seen).reduce((sum, name) => sum + (seen[name] as number), 0),
    capped: true,
  })
}

function askedOf(variables: { [name: string]: string }): FrontRequest {
  return { uri: '/', variables: variables } as unknown as FrontRequest
}

export function runPolicies(dicts: SuiteDicts): string[] {
  const wrong: string[] = []
  const load = dicts.numbers
  function is(what: string, found: unknown, wanted: unknown): void {
    if (JSON.stringify(found) !== JSON.stringify(wanted)) {
      wrong.push(what + ': ' + JSON.stringify(found) + ' and not ' + JSON.stringify(wanted))
    }
  }
  function clear(): void {
    load.keys(-1).forEach((key) => {
      load.delete(key)
    })
  }
  /** First letters of what is picked for each draw (of 50,000), '-' for nobody. */
  function picks(rules: Rules, draws: number[], tried: string): string {
    return draws
      .map((draw) => {
        const variables = {
          sluice_hash_slot: String(Math.floor(draw / 1000)),
          sluice_hash_share: String(draw % 1000),
          request_uri: '/',
        }
        const entry = chooseByRules({
          table: dicts.table,
          load: load,
          request: { uri: '/', variables: variables },
          upstream: UNIT,
          rules: rules,
          session: null,
          number: draw,
          tried: tried
            .split(' ')
            .map((name) => sid(name))
            .join(' '),
          nowMs: 1000000,
        })
        return entry === null ? '-' : entry.sid.charAt(0)
      })
      .join('')
  }
  function upstream(balance: RuleBalance, main: string, spill: string): Rules {
    clear()
    const first = listed(main)
    const second = listed(spill)
    write(dicts, first.concat(second))
    if (balance === 'h') {
      writeRing(dicts, first.length)
    }
    return rulesOf(balance, first, second.length)
  }
  const CYCLE = 'a:5 a:5 b a:5 c a:5 a:5'
  const seven = [0, 7143, 14286, 21429, 28572, 35715, 42858]

  // each balance
  is('random', picks(upstream('w', CYCLE, ''), seven, 'x'), 'aabacaa')
  const turns = upstream('r', CYCLE, '')
  is('roundRobin, whatever is drawn', picks(turns, [9, 9, 9, 9, 9, 9, 9, 9, 9], 'x'), 'aabacaaaa')
  is('hash', picks(upstream('h', 'a b c', ''), [0, 5601, 11201, 16701, 49991], 'x'), 'abcac')
  const least = upstream('c', 'a:5 b c', '')
  enterLoad(load, sid('a'), 1)
  enterLoad(load, sid('b'), 1)
  is('leastConn', picks(least, seven, 'x'), 'ccccccc')
  enterLoad(load, sid('c'), 1)
  is('leastConn by weight', picks(least, seven, 'x'), 'aaaaaaa')
  const even = upstream('c', 'a b', '')
  const both = picks(even, seven, 'x')
  is('leastConn with nothing in flight', both.indexOf('a') >= 0 && both.indexOf('b') >= 0, true)
  const two = upstream('t', 'a b', '')
  enterLoad(load, sid('a'), 1)
  is('randomTwo of two', picks(two, seven, 'x'), 'bbbbbbb')

  // somebody warms up: c has a tenth of the others' weight
  ;[1, 3, 8, 40].forEach((most) => {
    const warming = upstream('s', 'a:10 b:10 c:1', '')
    const held: string[] = []
    let asked = 0
    let draw = most
    for (let i = 0; i < 2000; i++) {
      draw = (draw * 25173 + 13849) % 65536
      const name = picks(warming, [draw % 50000], 'x')
      asked += name === 'c' ? 1 : 0
      enterLoad(load, sid(name), 1)
      held.push(name)
      if (held.length === most) {
        leaveLoad(load, sid(held.shift() as string), 1)
      }
    }
    is(most + ' in flight: ' + asked + ' of 2000 for c', asked > 30 && asked < 240, true)
  })
  const time = upstream('l', 'a b', '')
  addTime(load, sid('a'), 900, 1000000)
  addTime(load, sid('b'), 9, 1000000)
  is('leastTime of two', picks(time, seven, 'x'), 'bbbbbbb')
  is('an old mean fades', meanTime(load, sid('a'), 1050000) < 7, true)

  // all of them
  BALANCES.forEach((balance) => {
    is(balance + ' of nobody', picks(upstream(balance, '', ''), seven, 'x'), '-------')
    is(balance + ' of one', picks(upstream(balance, 'a', ''), seven, 'x'), 'aaaaaaa')
    is(balance + ' without those tried', picks(upstream(balance, 'a b', ''), seven, 'a'), 'bbbbbbb')
    is(
      balance + ' when all are tried',
      picks(upstream(balance, 'a b', ''), seven, 'a b'),
      '-------',
    )
    const full = upstream(balance, 'a:1:1 b:1:2', 's')
    enterLoad(load, sid('a'), 1)
    is(balance + ' where one is full', picks(full, seven, 'x'), 'bbbbbbb')
    enterLoad(load, sid('b'), 2)
    enterLoad(load, sid('b'), 2)
    is(balance + ' where all are full', picks(full, seven, 'x'), 'sssssss')
    leaveLoad(load, sid('a'), 1)
    is(balance + ' with room again', picks(full, seven, 'x'), 'aaaaaaa')
    // A change is half written: the list is shorter than the record says, or not there yet.
    const long = upstream(balance, 'a b', '')
    long.count = 14
    is(balance + ' of a list cut short', /^[ab-]+$/.test(picks(long, seven, 'x')), true)
    long.count = 40
    is(balance + ' beyond it', /^[ab-]+$/.test(picks(long, seven, 'x')), true)
  })

  // the front's own pick by rules that name no more than a balance
  const zones = { sluice_table: dicts.table, sluice_load: load } as unknown as Zones
  function quickly(rules: Rules, draw: number): string {
    const plain = printRules(Object.assign({}, rules, { capped: false, weights: 0 }))
    const named = rules.balance === 'h' ? plain : plain.replace(' key=uri', '')
    dicts.table.set(UNIT, '01234567 1 ' + named)
    const slot = String(Math.floor(draw / 1000))
    const share = String(draw % 1000)
    const variables = {
      sluice_slot: slot,
      sluice_share: share,
      sluice_hash_slot: slot,
      sluice_hash_share: share,
      request_uri: '/',
    }
    const found = quickPick().byPlainRules(askedOf(variables), zones, UNIT)
    const isHeld = found.indexOf(SlotMark.Uncounted) === 0
    is(rules.balance + ' takes a place', isHeld, 'ct'.indexOf(rules.balance) >= 0)
    return (isHeld ? found.slice(1) : found).charAt(0)
  }
  ;['r', 'h', 't', 'c'].forEach((balance) => {
    const rules = upstream(balance as RuleBalance, balance === 'h' ? 'a b c' : CYCLE, '')
    enterLoad(load, sid('a'), 1)
    enterLoad(load, sid('a'), 1)
    enterLoad(load, sid('b'), 1)
    for (let draw = 17; draw < 50000; draw += 1237) {
      const slowly = picks(rules, [draw], 'x')
      if (balance === 'r') {
        load.incr('i' + UNIT, -1)
      }
      is(balance + ' picked quickly, draw ' + draw, quickly(rules, draw), slowly)
    }
  })
  ;['w', 's', 'l'].forEach((balance) => {
    dicts.table.set(UNIT, '01234567 1 ' + balance + ' 3 0')
    is(
      balance + ' is left to the general pick',
      quickPick().byPlainRules(askedOf({}), zones, UNIT),
      '',
    )
  })
  ;['r 3 0 tries=2', 'h 3 0 key=uri loadPercent=110', 'c 3 0 capped=true', 'r 0 2'].forEach(
    (text) => {
      dicts.table.set(UNIT, '01234567 1 ' + text)
      is('"' + text + '" asks for more', quickPick().byPlainRules(askedOf({}), zones, UNIT), '')
    },
  )

  const tiers = upstream('w', 'a:1:1', 'z b b')
  tiers.backups = 2
  enterLoad(load, sid('a'), 1)
  is('other zones before backups', picks(tiers, seven, 'x'), 'zzzzzzz')
  is('and backups then', picks(tiers, seven, 'z'), 'bbbbbbb')

  // bounded load: 110 % of the average of 3 peers with 3 in flight and one more is 1.47, rounded up
  // 2
  const bounded = upstream('h', 'a b c', '')
  bounded.loadPercent = 110
  enterLoad(load, UNIT, 1)
  enterLoad(load, UNIT, 1)
  enterLoad(load, UNIT, 1)
  enterLoad(load, sid('a'), 1)
  enterLoad(load, sid('a'), 1)
  enterLoad(load, sid('b'), 1)
  is('a bounded hash', picks(bounded, [0, 20000, 49991], 'x'), 'bbc')

  // sessions
  const sticky = upstream('r', 'a b', '')
  sticky.sticky = 'route:header:x-route'
  dicts.table.set(UNIT + '$ib', printEntry({ sid: sid('b'), weight: 1, maxConns: 0 }) + 'u')
  const route = { uri: '/', variables: { http_x_route: 'abc.ib' } }
  const named = chooseByRules({
    table: dicts.table,
    load: load,
    request: route,
    upstream: UNIT,
    rules: sticky,
    session: sessionEntry(dicts.table, route, UNIT, sticky),
    number: 0,
    tried: '',
    nowMs: 0,
  })
  is('a session', named === null ? '' : named.sid, sid('b'))
  dicts.table.delete(UNIT + '$ib')
  dicts.table.set(UNIT + '$web.1', printEntry({ sid: sid('b'), weight: 1, maxConns: 0 }) + 'u')
  const dotted = { uri: '/', variables: { http_x_route: 'web.1' } }
  const whole = sessionEntry(dicts.table, dotted, UNIT, sticky)
  is('of an id with a dot in it', whole === null ? '' : whole.sid, sid('b'))
  dicts.table.delete(UNIT + '$web.1')

  // texts
  const asked = {
    uri: '/',
    variables: {
      remote_addr: '10.1.2.3',
      request_uri: '/x?y=1',
      http_x_user: 'u',
      cookie_Id: 'c',
      arg_id: '7',
    },
  }
  is(
    'texts',
    ['address', 'network', 'uri', 'header:x-user', 'cookie:Id', 'argument:id', 'header:no'].map(
      (source) => textOf(asked, source),
    ),
    ['10.1.2.3', '10.1.2', '/x?y=1', 'u', 'c', '7', ''],
  )
  const hopped = { uri: '/', variables: { remote_addr: 'unix:', http_x_real_ip: 'fd00::7' } }
  is(
    'behind the hop',
    [textOf(hopped, 'address'), textOf(hopped, 'network')],
    ['fd00::7', 'fd00::7'],
  )

  // budgets and trials
  clear()
  let paid = 0
  for (let i = 0; i < 30; i++) {
    paid += spendTry(load, UNIT) ? 1 : 0
  }
  is('a budget ends', paid, 10)
  for (let i = 0; i < 5; i++) {
    earnTry(load, UNIT, 20)
  }
  is('and is earned', [spendTry(load, UNIT), spendTry(load, UNIT)], [true, false])
  is(
    'one takes a trial',
    [takeTrial(load, '1' + sid('a'), 1000), takeTrial(load, '1' + sid('a'), 10999)],
    [true, false],
  )
  is(
    'it is not open then',
    [isTrialOpen(load, '1' + sid('a'), 10999), isTrialOpen(load, '2' + sid('a'), 10999)],
    [false, true],
  )
  is(
    'what was taken long ago was another one of that number',
    [isTrialOpen(load, '1' + sid('a'), 11000), takeTrial(load, '1' + sid('a'), 11000)],
    [true, true],
  )
  is('which one takes', takeTrial(load, '1' + sid('a'), 11001), false)

  // draws
  const seen: { [draw: number]: boolean } = {}
  for (let i = 0; i < 50; i++) {
    seen[nthNumber(i * 1000, 1)] = true
  }
  is('a second draw is another for each', Object.keys(seen).length, 50)
  clear()
  return wrong
}
