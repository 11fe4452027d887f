/** Which nginx a fallback file is tested with, and reloaded. */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Settings } from '../../runtime/config/settings.js'

/** The user's nginx, the private one, or the one of the PATH; undefined when there is none. */
export function findNginx(settings: Settings): string | undefined {
  if (settings.nginx !== undefined) {
    return settings.nginx
  }
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const candidates = [join(settings.home, 'nginx/bin/nginx')].concat(
    folders.map((folder) => join(folder, 'nginx')),
  )
  return candidates.find((path) => existsSync(path))
}
