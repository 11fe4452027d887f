/** `VIRTUAL_HOST_MULTIPORTS`, in YAML or JSON: hosts, their paths, and a port for each. Pure. */
import { parse } from 'yaml'
import { isObject } from '../../contract/guard/guarded.js'

export interface VirtualHost {
  host: string
  path: string
  /** What takes the path's place; '' leaves it. */
  dest: string
  port: number
}

const LONGEST = 65_536

/** What the text says, or what is wrong with it. `port` is for paths that name none. */
export function parseMultiports(text: string, port: number): VirtualHost[] | string {
  let value: unknown
  try {
    value = text.length > LONGEST ? undefined : parse(text, { maxAliasCount: 0 })
  } catch {
    // What the parser says of it may be many lines, and the text is the container's own.
    value = undefined
  }
  if (!isObject(value)) {
    return 'must be a map of host names, in YAML or JSON'
  }
  const hosts: VirtualHost[] = []
  for (const [host, given] of Object.entries(value)) {
    const paths = given === null || (isObject(given) && Object.keys(given).length === 0)
    for (const [path, what] of Object.entries(
      paths ? { '/': null } : isObject(given) ? given : {},
    )) {
      const its = isObject(what) ? what : {}
      const dest = typeof its.dest === 'string' ? its.dest : ''
      hosts.push({ host, path, dest, port: its.port === undefined ? port : Number(its.port) })
    }
  }
  return hosts
}
