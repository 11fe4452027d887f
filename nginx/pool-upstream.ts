/** The upstream{} of a pool: it learns its members from the controller's DNS responder. */
import type { ConfSettings } from './conf-settings.js'

export interface PoolUpstream {
  name: string
  /** `p0` of `p0.pool.sluice` (controller/pool/shards.ts). */
  part: string
  zone: string
  /** The variable that has the SID of the member that is asked. */
  sid: string
  keepalive: number
  /** Further directives, such as servers behind the members. */
  more?: readonly string[]
}

export function poolUpstream(
  { poolPort }: ConfSettings,
  { name, part, zone, sid, keepalive, more = [] }: PoolUpstream,
): string {
  const lines = [
    `zone ${name} ${zone};`,
    `resolver 127.0.0.1:${poolPort} ipv6=off;`,
    'resolver_timeout 1s;',
    `server ${part}.pool.sluice service=_http._tcp resolve drain max_fails=0;`,
    `sticky route ${sid};`,
    ...more,
    `keepalive ${keepalive};`,
    '# A peer that left is never asked again; its idle connections wait for this.',
    'keepalive_timeout 30s;',
  ]
  return `upstream ${name} {\n${lines.map((line) => `    ${line}`).join('\n')}\n}`
}
