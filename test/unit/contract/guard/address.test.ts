/**
 * Addresses: one spelling of each, and those that no traffic may go to; ipaddr.js is the oracle.
 */
import { BlockList } from 'node:net'
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import t from 'tap'
import { parseIp, printAddress, printIp, refuseIp } from '../../../../contract/guard/address.js'

const strict = { allowLoopback: false }

function spelled(text: string): string | null {
  const bytes = parseIp(text)
  return bytes === null ? null : printIp(bytes)
}

t.test('an address has one spelling, whatever it came as', async (t) => {
  const cases: Array<[string, string | null]> = [
    ['10.0.0.7', '10.0.0.7'],
    ['255.255.255.255', '255.255.255.255'],
    ['FD00:0:0:0:0:0:0:7', 'fd00::7'],
    ['fd00::0007', 'fd00::7'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::ffff:7f00:1', '127.0.0.1'],
    ['64:ff9b::10.0.0.1', '10.0.0.1'],
  ]
  cases.forEach(([text, expected]) => t.equal(spelled(text), expected, text))
})

t.test('what is not exactly one IP literal is refused', async (t) => {
  const bad = [
    '',
    'localhost',
    '127.1',
    '0x7f.0.0.1',
    '010.0.0.1',
    '1.2.3.256',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.4 ',
    '1.2.3.4:80',
    '[::1]',
    '::1%lo',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    'unix:/var/run/docker.sock',
    '10.0.0.1; }',
    '10.0.0.1\n',
  ]
  bad.forEach((text) => t.equal(parseIp(text), null, JSON.stringify(text)))
})

/**
 * What ipaddr.js makes of it, with IPv4 that is inside IPv6 taken out. It reads `::1.2.3.4` as
 * `::ffff:1.2.3.4`; RFC 4291 has zeros there.
 */
function bytesByOracle(text: string): number[] {
  if (/^::\d+(\.\d+){3}$/.test(text)) {
    return [...Array<number>(12).fill(0), ...ipaddr.parse(text.slice(2)).toByteArray()]
  }
  const address = ipaddr.parse(text)
  const bytes = address.toByteArray()
  const inside = ['ipv4Mapped', 'rfc6052'].includes(address.range())
  return inside ? bytes.slice(12) : bytes
}

/** First bytes where ranges of their own begin; chance alone would hardly ever draw them. */
const PREFIXES = [
  ...[[0], [10], [127], [169, 254], [192, 168], [224], [239], [240], [255, 255, 255, 255]],
].map((prefix) => ({ prefix, length: 4 }))
const PREFIXES_6 = [
  ...[[], Array<number>(15).fill(0), [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]],
  ...[[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255], [0xfe, 0x80], [0xfe, 0xbf], [0xff, 2], [0xfd]],
].map((prefix) => ({ prefix, length: 16 }))

const bytesOfAny = fc
  .tuple(
    fc.constantFrom(...PREFIXES, ...PREFIXES_6, { prefix: [], length: 4 }),
    fc.array(fc.constantFrom(0, 0, 0, 1, 7, 255), { minLength: 16, maxLength: 16 }),
  )
  .map(([{ prefix, length }, rest]) => [...prefix, ...rest].slice(0, length))

t.test('any spelling of an address has the bytes that ipaddr.js finds', async (t) => {
  const spelling = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    bytesOfAny.map((bytes) => ipaddr.fromByteArray(bytes).toString()),
    bytesOfAny.map((bytes) => ipaddr.fromByteArray(bytes).toNormalizedString().toUpperCase()),
  )
  fc.assert(
    fc.property(spelling, (text) => {
      t.strictSame(parseIp(text), bytesByOracle(text), text)
    }),
    { examples: [['::178.2.1.29']] },
  )
})

t.test('an address is printed as RFC 5952 has it, and read back', async (t) => {
  fc.assert(
    fc.property(bytesOfAny, (bytes) => {
      const address = ipaddr.fromByteArray(bytes)
      const text = printIp(bytes)
      t.equal(text, 'toRFC5952String' in address ? address.toRFC5952String() : address.toString())
      t.strictSame(parseIp(text), bytesByOracle(text), text)
    }),
  )
})

t.test('no range that is nobody’s host is proxied to', async (t) => {
  const never = ['unspecified', 'loopback', 'linkLocal', 'multicast', 'broadcast']
  const hosts = ['private', 'uniqueLocal']
  const metadata = [
    '168.63.129.16',
    '100.100.100.200',
    '192.0.0.192',
    'fd00:ec2::254',
    'fd20:ce::254',
  ]
  fc.assert(
    fc.property(bytesOfAny, (drawn) => {
      const bytes = bytesByOracle(ipaddr.fromByteArray(drawn).toString())
      const range = ipaddr.fromByteArray(bytes).range()
      const refused = refuseIp(bytes, strict) !== null
      if (never.includes(range)) {
        t.ok(refused, `${printIp(bytes)} is ${range}`)
      }
      if (hosts.includes(range) && !metadata.includes(printIp(bytes))) {
        t.notOk(refused, `${printIp(bytes)} is ${range}`)
      }
    }),
  )
})

t.test('the policy refuses what must never be proxied to', async (t) => {
  const refused = [
    '0.0.0.0',
    '127.0.0.1',
    '127.8.8.8',
    '169.254.169.254',
    '100.100.100.200',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '64:ff9b::7f00:1',
    'fe80::1',
    'febf::1',
    'ff02::1',
    'fd00:ec2::254',
    '168.63.129.16',
    '192.0.0.192',
    'fd20:ce::254',
    '64:ff9b:1::a00:1',
    '2002:a9fe:a9fe::1',
    '::169.254.169.254',
    '::7f00:1',
    '::ffff:0:a9fe:a9fe',
    '::ffff:0:7f00:1',
    '2002:7f00:1::1',
  ]
  refused.forEach((text) => t.type(refuseIp(parseIp(text) ?? [], strict), 'string', text))
  const allowed = [
    '10.0.0.1',
    '172.17.0.2',
    '192.168.1.1',
    '8.8.8.8',
    'fd00::7',
    '2001:db8::1',
    '2002:a00:1::1',
  ]
  allowed.forEach((text) => t.equal(refuseIp(parseIp(text) ?? [], strict), null, text))
  t.equal(refuseIp([127, 0, 0, 1], { allowLoopback: true }), null)
  t.equal(refuseIp(parseIp('::1') ?? [], { allowLoopback: true }), null)
})

t.test('loopback is the whole of 127/8 and ::1, as the system sees it', async (t) => {
  const loopback = new BlockList()
  loopback.addSubnet('127.0.0.0', 8)
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      const refused = refuseIp(parseIp(text) ?? [], strict)
      return (refused === 'a loopback address (setting allowLoopback)') === loopback.check(text)
    }),
  )
  t.pass()
})

t.test('addresses print as nginx prints them', async (t) => {
  t.equal(printAddress('10.0.0.7', 80), '10.0.0.7:80')
  t.equal(printAddress('fd00::7', 8080), '[fd00::7]:8080')
})
