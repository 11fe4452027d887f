/** Where a home's nginx is, and who may reach its sockets. */
import { chownSync } from 'node:fs'
import { join } from 'node:path'
import { homePaths, tuneSockets } from '../nginx/home-paths.js'
import type { Settings } from '../runtime/config/settings.js'
import type { Account } from './start/accounts.js'
import type { NginxPlace } from './start/nginx-process.js'

/** Where the home's nginx is. Without `executable` it can be looked for, but not started. */
export function gatewayPlace({ home }: Settings, executable = ''): NginxPlace {
  const paths = homePaths(home)
  return {
    path: executable,
    home,
    conf: join(home, 'nginx.conf'),
    pidFile: paths.pidFile,
    // Every one: a single file left in its place keeps nginx from starting.
    sockets: [...Object.values({ ...paths }), ...tuneSockets(home)].filter((path) =>
      path.endsWith('.sock'),
    ),
  }
}

/** Lets the workers, and nobody else, reach the sockets that they connect to. */
export function giveHop(home: string, { uid, gid }: Account): void {
  chownSync(join(home, 'hop'), uid, gid)
}
