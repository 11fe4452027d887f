/** Whether a port of this machine can be had. */
import type { Transport } from '../../contract/record/stream-route.js'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { SluiceError, messageOf, systemCode } from '../../runtime/errors.js'
import { pause } from '../../runtime/retry.js'
import { flagOf, variableOf } from '../../runtime/config/setting-names.js'
import type { SettingName } from '../../runtime/config/setting-table.js'

const POLL_MS = 50

/** The error of binding, or undefined when the port could be had; it is let go at once. */
function tryTcp(host: string, port: number): Promise<unknown> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', resolve)
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}

function tryUdp(host: string, port: number): Promise<unknown> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    socket.once('error', (error) => {
      socket.close()
      resolve(error)
    })
    socket.bind({ address: host, port, exclusive: true }, () =>
      socket.close(() => resolve(undefined)),
    )
  })
}

const TRIES = { tcp: tryTcp, udp: tryUdp }

function refusal(
  error: unknown,
  { host, port, setting }: PortWish,
  transport: Transport,
): SluiceError {
  const change = `set another one with --${flagOf(setting)} or ${variableOf(setting)}`
  const name = `${transport === 'udp' ? 'UDP port' : 'port'} ${port}`
  const why: Record<string, string> = {
    EADDRINUSE: `${name} of ${host} is in use by another program; ${change}`,
    EACCES: `${name} may not be opened by this user (below 1024 it takes root); ${change}`,
    EADDRNOTAVAIL: `${host} is no address of this machine; see --bind or SLUICE_BIND`,
  }
  const message = why[systemCode(error) ?? ''] ?? `${name} of ${host}: ${messageOf(error)}`
  return new SluiceError('conflict', message, { field: setting, cause: error })
}

export interface PortWish {
  host: string
  port: number
  setting: SettingName
  /** What it is wanted for; TCP alone by default. */
  protocols?: Transport[]
  /** How long it may take to become free: what held it is known to be ending. */
  patienceMs: number
  /** Whether who listens there is one of this home; nobody by default. */
  isOurs?: () => boolean
}

/**
 * Resolves when the port can be had, or is ours. Rejects with `conflict`, naming port and setting;
 * nothing stays bound.
 */
export async function requireFree(wish: PortWish): Promise<void> {
  const { host, port, isOurs = () => false } = wish
  const untilMs = performance.now() + wish.patienceMs
  for (const protocol of wish.protocols ?? ['tcp']) {
    for (;;) {
      const error = isOurs() ? undefined : await TRIES[protocol](host, port)
      if (error === undefined) {
        break
      }
      if (systemCode(error) !== 'EADDRINUSE' || performance.now() >= untilMs) {
        throw refusal(error, wish, protocol)
      }
      await pause(POLL_MS)
    }
  }
}

/**
 * Those of `ports` that can be had for TCP and UDP alike, or that `isOurs` holds already. `ports`
 * are numbers, lowest first.
 */
export async function freeOf(
  host: string,
  ports: number[],
  isOurs: (port: number) => boolean,
): Promise<number[]> {
  const free: number[] = []
  for (const port of ports) {
    const error = (await tryTcp(host, port)) ?? (await tryUdp(host, port))
    if (error === undefined || isOurs(port)) {
      free.push(port)
    }
  }
  return free
}

/**
 * The first free TCP port of `host` from `first` on that is none of `avoided`; with `udp` free for
 * that as well.
 */
export async function findFree(
  host: string,
  first: number,
  udp = false,
  avoided: number[] = [],
): Promise<number> {
  for (let port = first; port <= 65535; port++) {
    if (avoided.includes(port)) {
      continue
    }
    const error = (await tryTcp(host, port)) ?? (udp ? await tryUdp(host, port) : undefined)
    if (error === undefined) {
      return port
    }
    if (systemCode(error) !== 'EADDRINUSE') {
      throw new SluiceError('conflict', `port ${port} of ${host}: ${messageOf(error)}`)
    }
  }
  throw new SluiceError('conflict', `no port of ${host} from ${first} on is free`)
}
