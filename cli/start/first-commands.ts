/** The three commands that a new user tries, as they can be pasted into another shell. */
import { existsSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { delimiter, join } from 'node:path'
import { printAddress } from '../../contract/guard/address.js'
import { portsIn } from '../../contract/guard/ports.js'
import type { Settings } from '../../runtime/config/settings.js'
import type { ApiClient } from '../client.js'
import { pathOf } from '../client.js'
import { SluiceError } from '../../runtime/errors.js'
import { findFree } from './ports.js'

const UPSTREAM = 'hello'
/** Above those of the examples and the pages. */
const FIRST_PORT = 9801

interface Known {
  id: string
  port: number
}

/** Those of earlier tries: one that was drained stays so, and another must be tried then. */
async function knownInstances(client: ApiClient): Promise<Known[]> {
  try {
    const answer = await client.call({ method: 'GET', path: pathOf('upstreams', UPSTREAM) })
    return (answer as { instances: Known[] }).instances
  } catch (error) {
    if (error instanceof SluiceError) {
      // None of that name, or nothing is known while the registry is away.
      return []
    }
    throw error
  }
}

function freeId(known: Known[]): string {
  for (let i = 1; ; i++) {
    if (!known.some(({ id }) => id === String(i))) {
      return String(i)
    }
  }
}

function onPath(name: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.some((folder) => folder !== '' && existsSync(join(folder, name)))
}

/** As a shell reads it: one word. */
export function shellWord(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

/** Loopback, or where that may not be registered an address of this machine. */
function backendHost({ allowLoopback }: Settings): string {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  const own = addresses.find(({ family, internal }) => family === 'IPv4' && !internal)
  return allowLoopback ? '127.0.0.1' : (own?.address ?? '127.0.0.1')
}

function backend(host: string, port: number): string {
  const script = `require("http").createServer((q,s)=>s.end("Hello from Sluice\\n")).listen(${port},"${host}")`
  return `node -e '${script}' >/dev/null 2>&1 &`
}

function fetchByNode(port: number, host: string, isProxied: boolean): string {
  if (isProxied) {
    const said = `PROXY UNKNOWN\\r\\nGET / HTTP/1.1\\r\\nHost: ${host}\\r\\nConnection: close\\r\\n\\r\\n`
    return `node -e 's=require("net").connect(${port});s.write("${said}");s.pipe(process.stdout)'`
  }
  const options = `{port:${port},headers:{host:"${host}"}}`
  return `node -e 'require("http").get(${options},r=>r.pipe(process.stdout))'`
}

function askGateway(settings: Settings, host: string, hasCurl: boolean): string {
  const { httpPort, proxyProtocolPorts } = settings
  const isProxied = portsIn(proxyProtocolPorts).includes(httpPort)
  const flag = isProxied ? '--haproxy-protocol ' : ''
  return hasCurl
    ? `curl ${flag}-H ${shellWord(`Host: ${host}`)} http://${gatewayAddress(settings)}/`
    : fetchByNode(httpPort, host, isProxied)
}

/** Where the gateway can be asked from this machine. */
function gatewayAddress({ bind, httpPort }: Settings): string {
  return printAddress(bind === '0.0.0.0' || bind === '::' ? '127.0.0.1' : bind, httpPort)
}

/**
 * Registers a backend (and starts it), requests it through the gateway by its name below `domain`,
 * drains it.
 */
export async function commandsToTry(
  settings: Settings,
  program: string,
  client: ApiClient,
  domain: string,
): Promise<[register: string, ask: string, drain: string]> {
  const known = await knownInstances(client)
  const id = freeId(known)
  const backendAt = backendHost(settings)
  const above = Math.max(
    FIRST_PORT,
    ...known.map(({ port }) => port + 1).filter((port) => port < 10_000),
  )
  const port = await findFree(backendAt, above)
  const host = `${UPSTREAM}.${domain}`
  const sluice = `node ${shellWord(program)}`
  const home = `--home ${shellWord(settings.home)}`
  const hasCurl = onPath('curl')
  const path = pathOf('upstreams', UPSTREAM, 'instances', id, 'drain')
  return [
    `${backend(backendAt, port)} ${sluice} register ${UPSTREAM} ${id} ${printAddress(backendAt, port)} --wait 9s ${home}`,
    askGateway(settings, host, hasCurl),
    hasCurl
      ? `curl -X POST --unix-socket ${shellWord(join(settings.home, 'api.sock'))} http://localhost${path}`
      : `${sluice} drain ${UPSTREAM}/${id} ${home}`,
  ]
}
