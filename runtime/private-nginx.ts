/** The nginx that Sluice fetched for a home: where it lies, and what its stamp says of it. */
import { readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** Its file, below the folder of the nginx. */
export const NGINX_STAMP = 'sluice.json'
/** No package manager renews it, so from this age on Sluice says that it is old. */
export const OLD_NGINX_MS = 60 * 86_400_000

export interface FetchedNginx {
  version: string
  njs: string
  /** Unix milliseconds. */
  fetchedAtMs: number
}

export function privateNginxIn(home: string): string {
  return join(resolve(home), 'nginx')
}

/** What was fetched into this folder; undefined when nothing was, or its stamp cannot be read. */
export function fetchedNginx(root: string): FetchedNginx | undefined {
  const file = join(root, NGINX_STAMP)
  try {
    const { version, njs } = JSON.parse(readFileSync(file, 'utf8')) as FetchedNginx
    return { version, njs, fetchedAtMs: Math.round(statSync(file).mtimeMs) }
  } catch {
    return undefined
  }
}
