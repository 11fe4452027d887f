/** What stands in `listen`. */
import { printHost } from '../contract/guard/address.js'
import { printPorts } from '../contract/guard/ports.js'
import type { ConfSettings } from './conf-settings.js'

/** The end of a `listen` for TCP. */
export function reuseportOption({ reuseport }: Pick<ConfSettings, 'reuseport'>): string {
  return reuseport === true ? ' reuseport' : ''
}

/** `listen` lines for some ports: those that follow each other are one range. `more`: options. */
export function listens({ bind }: ConfSettings, ports: number[], more: string): string[] {
  const ranges = printPorts(ports).split(' ').filter(Boolean)
  return ranges.map((range) => `listen ${printHost(bind)}:${range}${more};`)
}
