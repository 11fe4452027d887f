/** The controller as a process. */
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { openRegistry } from '../registry/open.js'
import { messageOf, SluiceError } from '../runtime/errors.js'
import { makeLogger } from '../runtime/logger.js'
import type { Logger } from '../runtime/logger.js'
import { withTimeLimit } from '../runtime/retry.js'
import type { Settings } from '../runtime/config/settings.js'
import { sweepTests } from './fallback/ask-nginx.js'
import { startApi } from './api/server.js'
import { ServiceDns } from './service-dns/service-dns.js'
import { Controller } from './controller.js'

/** Less than what a supervisor grants. */
const CLOSE_MS = 4500

/** What the supervisor sends when nginx ends too. */
const LEAVE = 'leave'
const DONE = 'the file is written'

/**
 * The first of: SIGTERM, SIGINT, the end of the process that started this one (if it holds a
 * channel), `done`.
 */
async function untilStopped(log: Logger, done: Promise<string>): Promise<string> {
  const endings = [
    once(process, 'SIGTERM').then(() => 'SIGTERM'),
    once(process, 'SIGINT').then(() => 'SIGINT'),
    ...(process.channel === undefined || process.channel === null
      ? []
      : [once(process, 'disconnect').then(() => 'the supervisor is gone')]),
    done,
  ]
  const reason = await Promise.race(endings)
  log.info({ reason }, 'controller stops')
  return reason
}

/** Closes one after the other, in time. What does not close is left to the end of the process. */
async function closeAll(log: Logger, parts: Array<() => Promise<void>>): Promise<void> {
  const close = async (): Promise<void> => {
    for (const part of parts) {
      await part().catch((error: unknown) =>
        log.warn({ error: messageOf(error) }, 'not closed well'),
      )
    }
  }
  await withTimeLimit(CLOSE_MS, close(), () => new Error(`not closed within ${CLOSE_MS} ms`)).catch(
    (error: unknown) => log.error({ error: messageOf(error) }, 'controller ends all the same'),
  )
}

/** Resolves once the file was written and nginx has it. */
function onetimeDone(controller: Controller): Promise<string> {
  return new Promise((resolve) => {
    const stop = controller.subscribe(() => {
      if (controller.ready()) {
        stop()
        resolve(DONE)
      }
    })
  })
}

/** The supervisor says so before it stops nginx with the controller. */
function onLeave(leave: () => void): void {
  process.on('message', (message) => {
    if (message === LEAVE) {
      leave()
    }
  })
}

/**
 * Runs a controller until SIGTERM or SIGINT, and resolves when all is closed. Rejects when it
 * cannot start: the registry of the home or the API's port in use, a home that cannot be written;
 * and when it is stopped before the one file that it was to write is written.
 */
export async function runController(settings: Settings): Promise<void> {
  const isOnetime = settings.mode === 'file' && settings.file.onetime
  const log = makeLogger({ part: 'controller', level: settings.logLevel })
  await mkdir(settings.home, { recursive: true })
  const registry = await openRegistry(settings, { part: 'controller', log })
  const parts = [() => registry.close()]
  try {
    await sweepTests(settings.home)
    const controller = await Controller.make({ settings, registry, log })
    parts.unshift(() => controller.close())
    const done = isOnetime ? onetimeDone(controller) : new Promise<string>(() => {})
    onLeave(() => controller.leave())
    if (!isOnetime) {
      const api = await startApi(controller, controller.metrics.promRegistry)
      parts.unshift(() => api.close())
      log.info({ url: api.url, gateway: controller.gatewayId }, 'controller runs')
    }
    const dns = new ServiceDns({
      ...{ ...settings.serviceDns, log },
      desired: () => controller.desired(),
      conditionsOf: (upstream) => controller.conditionsOf(upstream),
    })
    await dns.listen()
    parts.unshift(() => Promise.resolve(dns.close()))
    // Last: whoever cannot run must not take the gateway from the one that does.
    controller.start()
    const reason = await untilStopped(log, done)
    if (isOnetime && reason !== DONE) {
      throw new SluiceError('internal', `stopped by ${reason} before the file was written`)
    }
  } finally {
    await closeAll(log, parts)
  }
}
