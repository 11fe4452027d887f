/**
 * `sluice start`: nginx, controller and agent as processes of their own, looked after in the
 * foreground. nginx is a daemon that outlives whatever happens here; the others end with the
 * supervisor.
 */
import { join } from 'node:path'
import { toProcess } from '../../runtime/config/print.js'
import type { Config } from '../../runtime/config/load.js'
import { hasSources } from '../../runtime/config/followed.js'
import type { Settings } from '../../runtime/config/settings.js'
import { SluiceError, messageOf } from '../../runtime/errors.js'
import { pause } from '../../runtime/retry.js'
import { connectLocal } from '../client.js'
import type { ApiClient } from '../client.js'
import { checkPorts, openPorts } from './check-ports.js'
import { SupervisedProcess } from './supervised-process.js'
import { fallbackFiles } from './fallback-repair.js'
import { lockHome } from './home-lock.js'
import type { HomePart } from './home-lock.js'
import { LogFile } from './log-file.js'
import { makeHomeFolders, openHome } from './home.js'
import { prepareGateway } from './prepare-nginx.js'
import { NginxKeeper } from './nginx-keeper.js'
import type { HowItCameUp } from './nginx-keeper.js'
import { STOP_MS } from './end-with-supervisor.js'
import { StopSignals } from './stop.js'
import { greet } from './greeting.js'

/** All of it ends within 5 s, whatever hangs. */
const AGENT_GRACE_MS = 1000
const CONTROLLER_GRACE_MS = 3000
const NGINX_GRACE_MS = 3000

const READY_MS = 15_000
const POLL_MS = 25
/** What a killed supervisor left behind is still ending, and has its ports for so long at most. */
const LEFTOVER_MS = STOP_MS + 2000

const CAME_UP: Record<HowItCameUp, string> = {
  kept: 'nginx is running already; taken over as it is',
  reloaded: 'nginx is running already; its configuration has changed: reloaded',
  replaced: 'nginx is running already, but is another build: replaced',
  started: 'nginx started',
}

/** By which `sluice update` says that there is another nginx in the home. */
export const RENEW = 'SIGUSR2'

export interface StartOptions {
  config: Config
  program: string
  print: (line: string) => void
}

/** What runs, so that all of it can be stopped. */
interface Parts {
  nginx?: NginxKeeper
  /** Complete. */
  settings?: Settings
  /** False when it ran before us: then a failed start leaves it alone. */
  nginxIsOurs: boolean
  children: SupervisedProcess[]
  logs: LogFile[]
}

/** The exit code, when all has ended. */
export async function supervise(options: StartOptions): Promise<number> {
  const stop = new StopSignals()
  const parts: Parts = { nginxIsOurs: false, children: [], logs: [] }
  const { home } = options.config.settings
  makeHomeFolders(home)
  const roles: HomePart[] = [
    'nginx',
    'controller',
    ...(hasSources(options.config.settings) ? ['agent' as const] : []),
  ]
  const lock = await lockHome(home, ...roles)
  const reopenLogs = () => parts.logs.forEach((log) => log.close())
  process.on('SIGHUP', reopenLogs).on('SIGUSR1', reopenLogs)
  const renew = () => void renewNginx(parts, options.print)
  process.on(RENEW, renew)
  try {
    await Promise.race([bringUp(options, parts, lock.wasHeld, stop), stop.whenRequested()])
    await stop.whenRequested()
    options.print('stopping')
    await Promise.race([stopAll(parts, true), stop.whenUrgent().then(() => killAll(parts))])
    options.print('stopped')
    return 0
  } catch (error) {
    await stopAll(parts, parts.nginxIsOurs)
    throw error
  } finally {
    parts.logs.forEach((log) => log.close())
    await lock.release()
    process.off('SIGHUP', reopenLogs).off('SIGUSR1', reopenLogs).off(RENEW, renew)
    stop.end()
  }
}

async function bringUp(
  options: StartOptions,
  parts: Parts,
  wasHeld: boolean,
  stop: StopSignals,
): Promise<void> {
  const config = await completed(options.config, options.print)
  const { home } = config.settings
  await checkPorts(config.settings, wasHeld ? LEFTOVER_MS : 0)
  options.print(`home: ${home}`)
  await bringUpNginx(config.settings, parts, options.print, stop)
  stop.throwIfRequested()
  const all = { ...options, config }
  const client = connectLocal(join(home, 'api.sock'))
  try {
    const hasFallback = !parts.nginxIsOurs || fallbackFiles(home).length > 0
    const controller = startChild('controller', all, parts)
    const answers = await untilReady(client, controller, hasFallback, all.print)
    stop.throwIfRequested()
    if (hasSources(config.settings)) {
      startChild('agent', all, parts)
    }
    if (answers) {
      await greet(config.settings, options.program, client, options.print)
    }
    options.print('Ctrl-C stops all of it.')
  } finally {
    await client.close()
  }
}

async function bringUpNginx(
  settings: Settings,
  parts: Parts,
  print: StartOptions['print'],
  stop: StopSignals,
): Promise<void> {
  const gateway = await prepareGateway(settings, print)
  stop.throwIfRequested()
  const nginx = new NginxKeeper(gateway.place, gateway.build, print)
  parts.nginx = nginx
  parts.settings = settings
  const how = await nginx.bringUp(gateway.isChanged)
  parts.nginxIsOurs = how === 'started'
  print(`${CAME_UP[how]} (pid ${nginx.pid ?? '?'})`)
  nginx.watch()
}

/** What was fetched since takes over. When it cannot, the reason is printed. */
async function renewNginx({ nginx, settings }: Parts, print: StartOptions['print']): Promise<void> {
  if (nginx === undefined || settings === undefined) {
    return
  }
  try {
    const { place, build, isChanged } = await prepareGateway(settings, print)
    const how = await nginx.replace(place, build, isChanged)
    print(`${CAME_UP[how]} (pid ${nginx.pid ?? '?'})`)
  } catch (error) {
    print(`nginx is not renewed: ${messageOf(error)}`)
  }
}

/** The settings with what is decided once for a home. */
async function completed(config: Config, print: StartOptions['print']): Promise<Config> {
  const { settings, values } = config
  if (settings.mode === 'file') {
    throw new SluiceError(
      'invalid',
      'sluice start runs a gateway; for files use: sluice controller --mode file',
    )
  }
  const opened = await openHome(settings)
  const decided = { poolPort: opened.poolPort, streamPorts: await openPorts(opened, print) }
  return { ...config, settings: { ...settings, ...decided }, values: { ...values, ...decided } }
}

function startChild(
  name: string,
  { config, program, print }: StartOptions,
  parts: Parts,
): SupervisedProcess {
  const log = new LogFile(join(config.settings.home, 'logs', name + '.log'), print)
  const { flags, environment } = toProcess(config)
  const child = new SupervisedProcess({
    name,
    program,
    args: [name, ...flags],
    environment,
    log,
    say: print,
  })
  parts.logs.push(log)
  parts.children.push(child)
  child.start()
  return child
}

/**
 * Waits until the controller has caught up with the registry, but not for ever: one that is away
 * now may come back later, and until then the gateway serves what it has. True when it answered.
 * Rejects when the controller dies before it ever answered, and nginx has nothing to serve.
 */
async function untilReady(
  client: ApiClient,
  controller: SupervisedProcess,
  hasFallback: boolean,
  print: StartOptions['print'],
): Promise<boolean> {
  const untilMs = performance.now() + READY_MS
  for (;;) {
    try {
      await client.call({ method: 'GET', path: '/readyz' })
      return true
    } catch (error) {
      if (controller.failures > 0) {
        const message = `the controller does not start:\n${controller.lastWords}`
        if (!hasFallback) {
          throw new SluiceError('internal', message)
        }
        print(`${message}\nnginx serves what it knew last; the controller is tried again`)
        return false
      }
      if (performance.now() > untilMs) {
        const isSilent = error instanceof SluiceError && error.retryable
        if (isSilent && !hasFallback) {
          throw error
        }
        print(`not ready yet, and still trying: ${messageOf(error)}`)
        return !isSilent
      }
    }
    await pause(POLL_MS)
  }
}

/**
 * The agent first, so that it can still say goodbye to the controller; nginx finishes meanwhile.
 */
async function stopAll({ nginx, children }: Parts, withNginx: boolean): Promise<void> {
  const [controller, ...others] = children
  const stopChildren = async () => {
    await Promise.all(others.map((child) => child.stop(AGENT_GRACE_MS)))
    if (withNginx) {
      // Other controllers then wait for this gateway no longer.
      controller?.send('leave')
    }
    await controller?.stop(CONTROLLER_GRACE_MS)
  }
  await Promise.all([stopChildren(), withNginx ? nginx?.stop(NGINX_GRACE_MS) : nginx?.leave()])
}

async function killAll({ nginx, children }: Parts): Promise<void> {
  children.forEach((child) => child.kill())
  await nginx?.stop(0)
}
