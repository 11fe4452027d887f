/** Settings that are right each by itself, and not together. */
import { portsIn } from '../contract/ports.js'
import type { SettingName, Values } from './config-table.js'
import { SluiceError } from './errors.js'

type Origins = ReadonlyMap<SettingName, string>

export function invalid(origin: string, problem: string, field?: string): SluiceError {
  return new SluiceError('invalid', `${origin}: ${problem}`, field === undefined ? {} : { field })
}

/** Throws `invalid`, which names one of the settings and where it came from. */
export function checkTogether(values: Values, origins: Origins): void {
  checkPorts(values, origins)
  if ((values.etcdCertificate === undefined) !== (values.etcdKey === undefined)) {
    const name = values.etcdKey === undefined ? 'etcdCertificate' : 'etcdKey'
    throw invalid(origins.get(name) ?? name, 'etcdCertificate and etcdKey need each other', name)
  }
  const problem = values.http3 ? http3Problem(values) : undefined
  if (problem !== undefined) {
    throw invalid(origins.get('http3') ?? 'http3', problem, 'http3')
  }
}

function checkPorts(values: Values, origins: Origins): void {
  const ports = (['httpPort', 'httpsPort', 'apiPort', 'poolPort'] as const).filter(
    (name) => values[name] !== 0,
  )
  for (const name of ports) {
    const other = ports.find((each) => each !== name && values[each] === values[name])
    if (other !== undefined) {
      const problem = `${name} and ${other} are both ${values[name]}; each needs a port of its own`
      throw invalid(origins.get(name) ?? name, problem, name)
    }
  }
}

function http3Problem({ mode, httpsPort, streamPorts }: Values): string | undefined {
  if (mode === 'file') {
    return 'file mode has no TLS, and so no HTTP/3'
  }
  if (httpsPort === 0) {
    return 'HTTP/3 is at httpsPort, which is 0: nowhere'
  }
  // nginx shares its UDP ports among its sockets, so it would not say that two of its servers have one.
  return portsIn(streamPorts).includes(httpsPort)
    ? `HTTP/3 takes UDP port ${httpsPort}, which is one of streamPorts; each needs a port of its own`
    : undefined
}
