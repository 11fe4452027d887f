/** The watchdog of a gateway's workers. */
import { createServer } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { GatewayClient, isTimeout } from '../../../../controller/push/gateway-client.js'
import { Watchdog } from '../../../../controller/push/watchdog.js'
import { silentLogger } from '../../../../runtime/logger.js'
import { temporaryFolder } from '../../../../lab/temp.js'
import { until } from '../../../../lab/until.js'

t.test('writes that hang while nginx answers are noticed, and their end too', async (t) => {
  const socket = join(temporaryFolder(t), 'admin.sock')
  let hangs = true
  // The fault itself, a worker killed inside the lock, comes once in hundreds of kills.
  const server = createServer((request, response) => {
    if (request.url === '/touch' && hangs) {
      return
    }
    response.end('ok')
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => new Promise((resolve) => server.close(resolve)))
  const gateway = new GatewayClient(socket, { touchMs: 100 })
  const reported: boolean[] = []
  const watchdog = new Watchdog(gateway, {
    log: silentLogger,
    everyMs: 20,
    onHung: (hung) => reported.push(hung),
  })
  watchdog.start()
  t.teardown(() => watchdog.close())
  t.teardown(() => gateway.close())
  await until(() => watchdog.isHung)
  hangs = false
  await until(() => !watchdog.isHung)
  t.same(reported, [true, false])
})

t.test('what is not reached, refused or no JSON is distinguished', async (t) => {
  const socket = join(temporaryFolder(t), 'admin.sock')
  const gateway = new GatewayClient(socket)
  t.teardown(() => gateway.close())
  await t.rejects(gateway.state(), { code: 'gateway_unavailable' })
  const server = createServer((request, response) => {
    const answers: Record<string, [number, string]> = {
      '/state': [200, 'no json'],
      '/claim': [409, '{"code":"stale_epoch","message":"too old","epoch":9}'],
      '/delta': [500, '<html>'],
    }
    const [status, body] = answers[request.url ?? ''] ?? [404, '']
    if (request.url !== '/read') {
      response.writeHead(status).end(body)
    }
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  t.teardown(() => new Promise((resolve) => server.close(resolve)))
  t.teardown(() => server.closeAllConnections())
  await t.rejects(gateway.state(), { code: 'gateway_unavailable', message: /no JSON/ })
  await t.rejects(gateway.claim({ epoch: 1, expect: 0 }), {
    code: 'stale_epoch',
    rejection: { epoch: 9 },
  })
  const delta = { epoch: 1, from: 0, to: 0, whole: false, operations: [] }
  await t.rejects(gateway.delta(delta), { code: 'gateway_unavailable', message: /500/ })
  t.notOk(isTimeout(await gateway.delta(delta).catch((error: unknown) => error)))
})
