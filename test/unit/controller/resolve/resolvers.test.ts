// Which servers are asked, and for which names.
import t from 'tap'
import {
  candidates,
  parseResolvConf,
  readResolvers,
} from '../../../../controller/resolve/resolvers.js'

t.test('resolv.conf as resolv.conf(5) has it', async (t) => {
  const text = `
    # comment
    search old.example
    nameserver 10.0.0.2
    nameserver fe80::1%eth0 ; another
    nameserver not-an-address
    nameserver 10.0.0.3
    nameserver 10.0.0.4
    domain a.example
    search b.example. c.example
    options timeout:1 ndots:2 rotate`
  t.same(parseResolvConf(text), {
    servers: ['10.0.0.2', 'fe80::1%eth0', '10.0.0.3'].map((host) => ({ host, port: 53 })),
    search: ['b.example', 'c.example'],
    ndots: 2,
  })
  const none = { servers: [{ host: '127.0.0.1', port: 53 }], search: [], ndots: 1 }
  t.same(parseResolvConf(''), none)
  t.same(readResolvers([], '/nowhere/resolv.conf'), none)
  t.same(readResolvers([{ host: '10.0.0.9', port: 5353 }]).servers, [
    { host: '10.0.0.9', port: 5353 },
  ])
})

t.test('search domains, by the number of dots', async (t) => {
  const resolvers = { servers: [], search: ['x.example', 'y.example'], ndots: 2 }
  t.same(candidates('web', resolvers), ['web.x.example', 'web.y.example', 'web'])
  t.same(candidates('a.b.c', resolvers), ['a.b.c', 'a.b.c.x.example', 'a.b.c.y.example'])
  t.same(candidates('web.', resolvers), ['web'])
})
