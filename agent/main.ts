/** Where the command line begins with the agent. */
import { join } from 'node:path'
import { openRegistry } from '../registry/open.js'
import type { Registry } from '../registry/registry.js'
import { messageOf } from '../runtime/errors.js'
import { makeLogger } from '../runtime/logger.js'
import type { Logger } from '../runtime/logger.js'
import { withTimeLimit } from '../runtime/retry.js'
import type { Settings } from '../runtime/config/settings.js'
import { Agent, untilAborted } from './agent.js'
import { openEngine } from './engine/docker.js'
import { loadIdentity } from './identity.js'
import { LeaseMemo } from './register/lease-memo.js'
import type { AgentMachine } from './plan/instance-address.js'
import { printContainers } from './print.js'

const CLOSE_MS = 1000

interface Known {
  machine: AgentMachine
  secrets: string[]
}

async function machineOf(settings: Settings, isReadOnly: boolean): Promise<Known> {
  const { agent, allowLoopback, home, registry } = settings
  const { id, secrets, ...presence } = await loadIdentity(home, agent.id, isReadOnly)
  // Gateways of other machines read any registry that is not this machine's own.
  const isShared = registry !== 'embedded' && !registry.startsWith('unix:')
  const { address, networks, labels: limits } = agent
  const machine = { agent: id, address, networks, allowLoopback, isShared, limits, presence }
  return { machine, secrets }
}

/** Aborts at SIGTERM, SIGINT, or when the process that started us over IPC is gone. */
function stopSignal(log: Logger): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController()
  const unsubscribes = ['SIGTERM', 'SIGINT', 'disconnect'].map((event) => {
    const stop = () => {
      log.info({ cause: event }, 'stopping')
      controller.abort()
    }
    process.once(event, stop)
    return () => process.off(event, stop)
  })
  return { signal: controller.signal, release: () => unsubscribes.forEach((each) => each()) }
}

function makeAgent(
  registry: Registry,
  settings: Settings,
  machine: AgentMachine,
  log: Logger,
): Agent {
  const scope = [settings.registry, settings.cluster, machine.agent].join(' ')
  return new Agent({
    registry,
    machine,
    open: () => openEngine(settings.docker),
    isEngineNamed: settings.docker !== 'auto',
    memo: new LeaseMemo(join(settings.home, 'agent-lease.json'), scope, log),
    ttlMs: settings.agent.ttlMs,
    log,
  })
}

/**
 * Follows the container engine and keeps the registry the same as it, until SIGTERM, SIGINT, or the
 * end of the process that started it. What is registered then stays until the lease ends or the
 * next agent adopts it. Rejects with `invalid` when a setting is wrong; outages are waited out.
 */
export async function runAgent(settings: Settings): Promise<void> {
  const log = makeLogger({ part: 'agent', level: settings.logLevel })
  const { signal, release } = stopSignal(log)
  try {
    if (settings.docker === 'off') {
      log.info({}, 'docker is off: no containers to follow')
      await untilAborted(signal)
      return
    }
    const { machine, secrets } = await machineOf(settings, false)
    log.info({ agent: machine.agent, name: machine.presence?.name }, 'agent')
    const registry = await openRegistry(settings, {
      ...{ part: 'agent', agent: machine.agent, secrets, log },
    })
    try {
      await makeAgent(registry, settings, machine, log).run(signal)
    } finally {
      await close(registry, log)
    }
  } finally {
    release()
  }
}

async function close(registry: Registry, log: Logger): Promise<void> {
  try {
    await withTimeLimit(CLOSE_MS, registry.close(), () => new Error(`not within ${CLOSE_MS} ms`))
  } catch (error) {
    // The process ends now; what it leaves open ends with it.
    log.warn({ reason: messageOf(error) }, 'registry not closed')
  }
}

/** What `sluice agent --print` shows. Rejects, naming the engine, when that does not answer. */
export async function printAgent(settings: Settings): Promise<string> {
  if (settings.docker === 'off') {
    return 'docker is off: no containers to follow\n'
  }
  const engine = openEngine(settings.docker)
  try {
    return await printContainers(engine, (await machineOf(settings, true)).machine)
  } catch (cause) {
    const what = `no container engine answers at ${engine.address} (setting docker)`
    throw new Error(`${what}: ${messageOf(cause)}`, { cause })
  }
}
