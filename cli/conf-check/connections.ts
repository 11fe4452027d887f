/** Whether the shares of connections in Sluice's files fit the workers of an nginx.conf. Pure. */
import { SHARE_ZONES, connectionsFor } from '../../nginx/connection-limits.js'
import type { Directive } from './parse-conf.js'

/** nginx's own, where a file says nothing. */
const DEFAULT_CONNECTIONS = 512

function withInner(directive: Directive): Directive[] {
  return [directive, ...(directive.block ?? []).flatMap(withInner)]
}

/**
 * A sentence, where gRPC, TCP or UDP may take more of a worker's connections than its share;
 * `sluice` ends in a slash.
 */
export function findShareClash(directives: Directive[], sluice: string): string[] {
  const every = directives.flatMap(withInner)
  const zones = [
    ...(every.some(({ file }) => file === `${sluice}grpc.conf`) ? [SHARE_ZONES.calls] : []),
    ...[SHARE_ZONES.tcp, SHARE_ZONES.udp],
  ]
  const most = every
    .filter(({ name, args }) => name === 'limit_conn' && zones.includes(args[0] ?? ''))
    .map(({ args }) => Number(args[1]))
  const needed = connectionsFor(Math.max(0, ...most))
  const own = every.find(({ name }) => name === 'worker_connections')
  const given = Number(own?.args[0] ?? DEFAULT_CONNECTIONS)
  const [where, what] =
    own === undefined
      ? ['', `worker_connections is ${DEFAULT_CONNECTIONS}, for nothing is said`]
      : [`${own.at}: `, `"worker_connections ${given}"`]
  return given >= needed
    ? []
    : [
        `${where}${what}, but Sluice's files are made for ${needed}, so gRPC, TCP or UDP could take them all: raise it, or print them anew with --connections ${given}`,
      ]
}
