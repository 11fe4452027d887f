/** Where a home's nginx is. */
import { join } from 'node:path'
import { portsIn } from '../contract/guard/ports.js'
import { homePaths, numberedSockets } from '../nginx/home-paths.js'
import type { Settings } from '../runtime/config/settings.js'
import type { NginxFiles } from './start/home-nginx.js'

/** Open files are not without end: beyond this, sockets for each port and worker are too many. */
const MOST_SOCKETS = 1024

/** Whether another nginx may open the TCP ports beside this one, and so take over from it. */
export function sharesPorts({ workers, streamPorts }: Settings): boolean {
  return workers * (2 + portsIn(streamPorts).length) <= MOST_SOCKETS
}

/** Where the home's nginx is. Without `executable` it can be looked for, but not started. */
export function nginxFiles(settings: Settings, executable = ''): NginxFiles {
  const { home } = settings
  const paths = homePaths(home)
  return {
    path: executable,
    home,
    conf: join(home, 'nginx.conf'),
    pidFile: paths.pidFile,
    sharesPorts: sharesPorts(settings),
    // Every one: a single file left in its place keeps nginx from starting.
    sockets: [...Object.values({ ...paths }), ...numberedSockets(home)].filter((path) =>
      path.endsWith('.sock'),
    ),
  }
}
