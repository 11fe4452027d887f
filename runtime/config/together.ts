/** Settings that are each right, and do not go together. */
import { isLoopback } from '../../contract/guard/address.js'
import { portsIn, printPorts } from '../../contract/guard/ports.js'
import type { SettingName, Values } from './setting-table.js'

export interface Wrong {
  /** Whose value is to change. */
  name: SettingName
  problem: string
}

/** The first that is found; undefined: none. */
export function wrongTogether(values: Values): Wrong | undefined {
  return (
    sharedPort(values) ??
    wrongStream(values) ??
    wrongEtcd(values) ??
    wrongApi(values) ??
    wrongTuned(values) ??
    wrongProxies(values) ??
    wrongHttp3(values)
  )
}

const OWN_PORTS = ['httpPort', 'httpsPort', 'apiPort', 'poolPort'] as const

/**
 * Why `streamPorts` cannot be so: with a port that Sluice itself listens at nginx would not start,
 * or it would stay closed without a word.
 */
export function ownStreamPorts(
  streamPorts: string,
  own: Record<(typeof OWN_PORTS)[number], number>,
): string | undefined {
  const wanted = portsIn(streamPorts)
  const names = OWN_PORTS.filter((name) => wanted.includes(own[name]))
  const taken = names.map((name) => `${own[name]} (${name})`).join(', ')
  const problem = `streamPorts has ports that Sluice itself listens at: ${taken}; leave them out, or set others for these`
  return names.length === 0 ? undefined : problem
}

function wrongStream(values: Values): Wrong | undefined {
  const problem = values.mode === 'file' ? undefined : ownStreamPorts(values.streamPorts, values)
  return problem === undefined ? undefined : { name: 'streamPorts', problem }
}

function sharedPort(values: Values): Wrong | undefined {
  const names = OWN_PORTS.filter((name) => values[name] !== 0)
  for (const name of names) {
    const other = names.find((each) => each !== name && values[each] === values[name])
    if (other !== undefined) {
      const problem = `${name} and ${other} are both ${values[name]}; each needs a port of its own`
      return { name, problem }
    }
  }
  return undefined
}

function wrongEtcd(values: Values): Wrong | undefined {
  const pairs = [
    ['etcdCertificate', 'etcdKey'],
    ['etcdKeysCertificate', 'etcdKeysKey'],
  ] as const
  for (const [certificate, key] of pairs) {
    if ((values[certificate] === undefined) !== (values[key] === undefined)) {
      const name = values[key] === undefined ? certificate : key
      return { name, problem: `${certificate} and ${key} need each other` }
    }
  }
  return undefined
}

function wrongApi({ apiBind, apiCertificate, apiKey, apiPlain }: Values): Wrong | undefined {
  if ((apiCertificate === undefined) !== (apiKey === undefined)) {
    const name = apiKey === undefined ? 'apiCertificate' : 'apiKey'
    return { name, problem: 'apiCertificate and apiKey need each other' }
  }
  const problem =
    'beyond loopback the API needs TLS (apiCertificate and apiKey); apiPlain: true lets it speak plain HTTP there, where its token can be read on the way'
  const isSafe = isLoopback(apiBind) || apiKey !== undefined || apiPlain
  return isSafe ? undefined : { name: 'apiBind', problem }
}

function foreignTo(ports: string, own: number[]): string {
  return printPorts(portsIn(ports).filter((port) => !own.includes(port)))
}

function wrongTuned({ tunedPorts, streamPorts }: Values): Wrong | undefined {
  const foreign = foreignTo(tunedPorts, portsIn(streamPorts))
  const problem = `tunedPorts must be among streamPorts; these are not: ${foreign}`
  return foreign === '' ? undefined : { name: 'tunedPorts', problem }
}

function wrongProxies(values: Values): Wrong | undefined {
  const { proxyProtocolPorts, trustedProxies, mode } = values
  if (proxyProtocolPorts === '') {
    return undefined
  }
  const name = 'proxyProtocolPorts'
  if (trustedProxies === undefined) {
    return { name, problem: `${name} needs trustedProxies: the addresses that are believed there` }
  }
  if (mode === 'file') {
    return {
      name,
      problem: `${name} is not for file mode, whose servers do not speak the PROXY protocol`,
    }
  }
  const { httpPort, httpsPort, streamPorts } = values
  const own = [httpPort, httpsPort, ...portsIn(streamPorts)].filter((port) => port !== 0)
  const foreign = foreignTo(proxyProtocolPorts, own)
  const problem = `none of the gateway's ports: ${foreign}; its own are httpPort, httpsPort and streamPorts`
  return foreign === '' ? undefined : { name, problem }
}

function wrongHttp3({ http3, mode, httpsPort }: Values): Wrong | undefined {
  const name = 'http3'
  if (!http3) {
    return undefined
  }
  if (mode === 'file') {
    return { name, problem: 'file mode has no TLS, and so no HTTP/3' }
  }
  return httpsPort === 0
    ? { name, problem: 'HTTP/3 shares httpsPort, which is 0 (off)' }
    : undefined
}
