/** The ports that a gateway is to have: whether they are free, or its own already. */
import type { Transport } from '../../contract/record/stream-route.js'
import { portsIn, printPorts } from '../../contract/guard/ports.js'
import { ownStreamPorts } from '../../runtime/config/together.js'
import { SluiceError } from '../../runtime/errors.js'
import type { Settings } from '../../runtime/config/settings.js'
import { nginxFiles } from '../nginx-files.js'
import { listensAt } from './home-nginx.js'
import { freeOf, requireFree } from './ports.js'
import type { PortWish } from './ports.js'

/** Ports for routes that another program has are left out: nginx would not start with them. */
export async function openPorts(
  settings: Settings,
  print: (line: string) => void,
): Promise<string> {
  const { bind, streamPorts } = settings
  refuseOwn(settings)
  const place = nginxFiles(settings)
  const wanted = portsIn(streamPorts)
  const open = await freeOf(bind, wanted, (port) => listensAt(place, port))
  const taken = wanted.filter((port) => !open.includes(port))
  if (taken.length > 0) {
    print(
      `these ports of --stream-ports are in use by other programs, so routes cannot have them: ${printPorts(taken)}`,
    )
  }
  return printPorts(open)
}

/**
 * The pool's port is known only once the home is open: when settings are read, they cannot be
 * refused for it.
 */
function refuseOwn(settings: Settings): void {
  const problem = ownStreamPorts(settings.streamPorts, settings)
  if (problem !== undefined) {
    throw new SluiceError('conflict', problem, { field: 'streamPorts' })
  }
}

/**
 * Before anything is started or changed. The gateway's ports may be held by the nginx that is taken
 * over.
 */
export async function checkPorts(settings: Settings, patienceMs: number): Promise<void> {
  const { bind: host, httpPort, httpsPort, http3, poolPort, pool } = settings
  const api = { host: settings.apiBind, port: settings.apiPort, setting: 'apiPort' } as const
  const wanted: Array<Omit<PortWish, 'host' | 'patienceMs'> & { protocol: Transport }> = [
    { port: httpPort, setting: 'httpPort', protocol: 'tcp' },
    ...(httpsPort === 0
      ? []
      : [{ port: httpsPort, setting: 'httpsPort', protocol: 'tcp' } as const]),
    ...(http3 ? [{ port: httpsPort, setting: 'httpsPort', protocol: 'udp' } as const] : []),
  ]
  const place = nginxFiles(settings)
  for (const { port, setting, protocol } of wanted) {
    const isOurs = (): boolean => listensAt(place, port, protocol)
    await requireFree({ host, port, setting, protocols: [protocol], patienceMs, isOurs })
  }
  await requireFree({ ...api, patienceMs })
  if (pool !== 'off') {
    const local = { host: '127.0.0.1', port: poolPort, setting: 'poolPort' } as const
    await requireFree({ ...local, protocols: ['tcp', 'udp'], patienceMs })
  }
}
