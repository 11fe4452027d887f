/** Backends that answer from memory. */
import type { NginxInfo } from '../../setup/nginx.js'
import { PlainNginx } from './plain-nginx.js'
import type { Bench } from '../report/report.js'

/**
 * Backends that cost as little as any can: an nginx that answers from memory, one name for each
 * address.
 */
export async function startCheapBackends(
  bench: Bench,
  nginx: NginxInfo,
  hosts: string[],
  port: number,
  /** Of all of them; by default a line that says which one it is. */
  body?: string,
): Promise<void> {
  const servers = hosts.map((host) => {
    const said = body ?? `bench ${host}\\n`
    return `server { listen ${host}:${port}; location / { return 200 "${said}"; } }`
  })
  // The port on which its start is seen.
  servers.push(`server { listen 127.0.0.1:${port}; location / { return 200 "bench up\\n"; } }`)
  const started = await PlainNginx.start({
    nginx,
    folder: `${bench.folder}/backends`,
    main: 'worker_processes 1;',
    configuration: servers.join('\n'),
    port,
  })
  bench.onEnd(() => started.stop())
}
