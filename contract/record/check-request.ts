/** What a check by HTTP sends and accepts, part by part: Host, headers, statuses. */
import { isObject } from '../guard/guarded.js'

/** What frames the request is for the client that sends it, and Host has a field of its own. */
const RESERVED =
  /^(host|connection|content-length|transfer-encoding|keep-alive|upgrade|te|trailer|expect|proxy-.*)$/i

/**
 * `200,204,300-399` → `[[200, 200], [204, 204], [300, 399]]`; null if it is no such text. Final
 * statuses, 200 to 599.
 */
export function parseStatuses(value: unknown): Array<[number, number]> | null {
  if (typeof value !== 'string' || value.length > 256) {
    return null
  }
  const ranges: Array<[number, number]> = []
  const parts = value.split(',')
  for (let i = 0; i < parts.length; i++) {
    const match = /^([2-5]\d\d)(?:-([2-5]\d\d))?$/.exec(parts[i] as string)
    if (match === null) {
      return null
    }
    const from = Number(match[1])
    const to = match[2] === undefined ? from : Number(match[2])
    if (to < from) {
      return null
    }
    ranges.push([from, to])
  }
  return ranges
}

/**
 * A name or an address, with a port or without: nothing that could end a header or begin another.
 */
export function isHostHeader(value: unknown): boolean {
  return (
    typeof value === 'string' &&
    value.length <= 260 &&
    /^([A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/.test(value)
  )
}

/** What is wrong with the headers that a check sends; null when nothing is. */
export function headersProblem(value: unknown): string | null {
  if (!isObject(value)) {
    return 'must be an object of strings'
  }
  const names = Object.keys(value)
  if (names.length > 32) {
    return 'must have at most 32 entries'
  }
  const seen: string[] = []
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string
    const lower = name.toLowerCase()
    const shown = 'entry ' + JSON.stringify(name.slice(0, 64))
    if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(name)) {
      return shown + ' must be a name of letters, digits, - and _'
    }
    if (RESERVED.test(name)) {
      return shown + (lower === 'host' ? ' has a field of its own, host' : ' may not be set')
    }
    if (seen.indexOf(lower) >= 0) {
      return shown + ' is named twice'
    }
    seen.push(lower)
    const text = value[name]
    if (typeof text !== 'string' || !/^[\x20-\x7e]{0,1024}$/.test(text)) {
      return shown + ' must have a text of at most 1024 printable ASCII characters'
    }
  }
  return null
}
