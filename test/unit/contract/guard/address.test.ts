import { BlockList, isIPv6 } from 'node:net'
import fc from 'fast-check'
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

t.test('every IPv6 address is read back to the same bytes', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(255), { minLength: 16, maxLength: 16 }), (bytes) => {
      const folded = parseIp(printIp(bytes))
      return (
        isIPv6(printIp(bytes)) && folded !== null && printIp(folded) === spelled(printIp(bytes))
      )
    }),
  )
  t.pass()
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
  ]
  refused.forEach((text) => t.type(refuseIp(parseIp(text) ?? [], strict), 'string', text))
  const allowed = ['10.0.0.1', '172.17.0.2', '192.168.1.1', '8.8.8.8', 'fd00::7', '2001:db8::1']
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
