/** Where the command line begins with the agent. */
import { join } from 'node:path'
import { openRegistry } from '../registry/open.js'
import type { Registry } from '../registry/registry.js'
import { messageOf } from '../runtime/errors.js'
import { makeLogger } from '../runtime/logger.js'
import type { Logger } from '../runtime/logger.js'
import { untilAborted, withTimeLimit } from '../runtime/retry.js'
import { hasSources } from '../runtime/config/followed.js'
import type { Settings } from '../runtime/config/settings.js'
import { Agent } from './agent.js'
import { openEngine } from './engine/docker.js'
import { loadIdentity } from './identity.js'
import { LeaseMemo } from './register/lease-memo.js'
import { SettingsMemo } from './register/settings-memo.js'
import type { AgentMachine } from './plan/instance-address.js'
import { printContainers, printSource } from './print.js'
import { FilesSource } from './sources/files/files-source.js'
import { openSources } from './sources/open-sources.js'

const CLOSE_MS = 1000
/** What is so without a source. */
const NOTHING = 'docker is off: no containers to follow'

interface Known {
  machine: AgentMachine
  secrets: string[]
}

async function machineOf(settings: Settings, isReadOnly: boolean): Promise<Known> {
  const { agent, allowLoopback, home, registry } = settings
  const { id, secrets, ...presence } = await loadIdentity(home, agent.id, isReadOnly)
  // Gateways of other machines read any registry that is not this machine's own.
  const isShared = registry !== 'embedded' && !registry.startsWith('unix:')
  const { address, networks, labels: limits, dialects } = agent
  const machine = {
    agent: id,
    address,
    networks,
    allowLoopback,
    isShared,
    limits,
    dialects,
    presence,
  }
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
    open: settings.docker === 'off' ? undefined : () => openEngine(settings.docker),
    sources: openSources(settings, machine, log),
    isEngineNamed: settings.docker !== 'auto',
    memo: new LeaseMemo(join(settings.home, 'agent-lease.json'), scope, log),
    settingsMemo: new SettingsMemo(join(settings.home, 'agent-settings.json'), scope, log),
    ttlMs: settings.agent.ttlMs,
    log,
  })
}

/**
 * Follows all sources and keeps the registry the same as they are, until SIGTERM, SIGINT, or the
 * end of the process that started it. What is registered then stays until the lease ends or the
 * next agent adopts it. Rejects with `invalid` when a setting is wrong; outages are waited out.
 */
export async function runAgent(settings: Settings): Promise<void> {
  const log = makeLogger({ part: 'agent', level: settings.logLevel })
  const { signal, release } = stopSignal(log)
  try {
    if (!hasSources(settings)) {
      log.info({}, NOTHING)
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

/**
 * What `sluice agent --print` shows: a section for each source. Rejects, naming the engine, when
 * that does not answer; with `docker` auto only if there is no other source.
 */
export async function printAgent(settings: Settings): Promise<string> {
  if (!hasSources(settings)) {
    return `${NOTHING}\n`
  }
  const { machine } = await machineOf(settings, true)
  // What goes wrong is said in the source's section.
  const log = makeLogger({ part: 'agent', level: 'silent' })
  const sources = openSources(settings, machine, log)
  const isOptional = settings.docker === 'auto' && sources.length > 0
  const sections: string[] = []
  if (settings.docker !== 'off') {
    const containers = printEngine(settings, machine)
    sections.push(await (isOptional ? containers.catch(messageOf) : containers))
  }
  for (const source of sources) {
    sections.push(await printSource(source))
  }
  return sections.map((section) => `${section.trimEnd()}\n`).join('\n')
}

/**
 * What is wrong in a folder of files, as `web.yaml:12: upstreams.web … must be …`; none when all is
 * right. Rejects when the folder cannot be read.
 */
export async function checkFiles(settings: Settings, folder: string): Promise<string[]> {
  const { allowLoopback } = settings
  const source = new FilesSource({ folder, agent: 'check', addresses: { allowLoopback } })
  const { refused } = await source.readOnce()
  return refused.map(({ name, text }) => `${name}: ${text}`)
}

async function printEngine(settings: Settings, machine: AgentMachine): Promise<string> {
  const engine = openEngine(settings.docker)
  try {
    return await printContainers(engine, machine)
  } catch (cause) {
    const what = `no container engine answers at ${engine.address} (setting docker)`
    throw new Error(`${what}: ${messageOf(cause)}`, { cause })
  }
}
