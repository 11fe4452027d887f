// The pusher over a real nginx.
import t from 'tap'
import { GatewayClient } from '../../controller/gateway.js'
import { Pusher } from '../../controller/push.js'
import { homePaths } from '../../nginx/render.js'
import { silentLogger } from '../../runtime/logger.js'
import { startGateway } from '../support/gateway.js'
import { until } from '../support/until.js'

class CountedLooks extends GatewayClient {
  looks = 0

  override state(): ReturnType<GatewayClient['state']> {
    this.looks += 1
    return super.state()
  }
}

t.test('however much is new, the gateway is looked at', async (t) => {
  const gateway = await startGateway(t, { rig: 'njs' })
  const client = new CountedLooks(homePaths(gateway.home).adminSocket)
  t.teardown(() => client.close())
  let revision = 0
  let last = Infinity
  const pusher = new Pusher(client, {
    source: {
      ready: () => true,
      revision: () => revision,
      units: () => new Map(),
      update: () => {
        revision = Math.min(revision + 1, last)
        return []
      },
    },
    log: silentLogger,
    pollMs: 50,
    onFailure: (reason) => t.fail(reason),
    onApplied: () => undefined,
    onState: () => undefined,
    onUnknown: () => undefined,
  })
  pusher.start()
  await until(() => pusher.applied > 0, { what: 'the first push' })
  const [seen, from] = [client.looks, pusher.applied]
  await until(() => client.looks >= seen + 3, { what: 'three looks more' })
  t.ok(pusher.applied > from + 3, 'pushed all the while')
  last = revision + 5
  await pusher.close()
  t.equal(pusher.applied, last, 'what waited went out')
  t.match(await gateway.state(), { revision: last, whole: true })
})
