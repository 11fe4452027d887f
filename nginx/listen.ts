/** What stands in `listen`. */
import { printPorts } from '../contract/guard/ports.js'
import type { ConfSettings } from './conf-settings.js'

/** `127.0.0.1`, `[::1]` */
export function listenAddress(bind: string): string {
  return bind.includes(':') ? `[${bind}]` : bind
}

/** The end of a `listen` for TCP. */
export function reuseMark({ reuseport }: Pick<ConfSettings, 'reuseport'>): string {
  return reuseport === true ? ' reuseport' : ''
}

/** What `listen` has for some of the ports, those that follow each other as one. */
export function listens({ bind }: ConfSettings, ports: number[], more: string): string[] {
  const ranges = printPorts(ports).split(' ').filter(Boolean)
  return ranges.map((range) => `listen ${listenAddress(bind)}:${range}${more};`)
}
