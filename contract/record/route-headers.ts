/** What a route does to headers, on their way to the upstream and back. */
import { guardShape, isObject, right, wrong } from '../guard/guarded.js'
import type { Guarded } from '../guard/guarded.js'
import type { HeaderEdits } from './header-edits.js'

/** `__proto__` would be lost: an object's field of that name is not its own. */
const NAME = /^(?!__proto__$)[A-Za-z0-9_-]{1,64}$/
const VALUE = /^[!-~]([ -~]{0,1022}[!-~])?$/
const MOST = 32
const PARTS = ['set', 'add', 'remove']
/** What nginx makes itself for each connection. */
const HOP_BY_HOP = 'connection content-length transfer-encoding upgrade keep-alive te trailer'
const REQUEST_FIXED = (HOP_BY_HOP + ' expect x-real-ip').split(' ')
const RESPONSE_FIXED = (HOP_BY_HOP + ' content-type content-encoding date server').split(' ')

function guardName(name: string, fixed: string[]): string {
  if (!NAME.test(name)) {
    return 'must be the name of a header'
  }
  // The hop takes underscores too, and reads both spellings as one.
  const plain = name.toLowerCase().replace(/_/g, '-')
  if (plain === 'host') {
    return 'cannot be changed here: that is what upstreamHost does'
  }
  return fixed.indexOf(plain) >= 0 || /^x-(sluice|accel)-/.test(plain)
    ? 'cannot be changed: nginx and Sluice need it as it is'
    : ''
}

function guardPart(part: string, value: unknown, fixed: string[]): Guarded<string[]> {
  const isList = part === 'remove'
  if (isList ? !Array.isArray(value) : !isObject(value)) {
    return wrong(part, isList ? 'must be a list of names' : 'must be an object of names and values')
  }
  const names = isList ? (value as unknown[]) : Object.keys(value as object)
  for (let i = 0; i < names.length; i++) {
    const name = names[i]
    const field = part + (isList ? '[' + i + ']' : '.' + String(name))
    const fault = guardName(typeof name === 'string' ? name : '', fixed)
    if (fault !== '') {
      return wrong(field, fault)
    }
    const text = isList ? 'x' : (value as { [name: string]: unknown })[name as string]
    if (typeof text !== 'string' || !VALUE.test(text)) {
      return wrong(field, 'must be 1 to 1024 characters of ASCII, without spaces at its ends')
    }
  }
  return right(names as string[])
}

function guardEdits(value: unknown, fixed: string[]): Guarded<HeaderEdits> {
  const shape = guardShape(value, PARTS)
  if (!shape.ok) {
    return shape
  }
  const seen: string[] = []
  const given = PARTS.filter((part) => shape.value[part] !== undefined)
  for (let i = 0; i < given.length; i++) {
    const part = given[i] as string
    const names = guardPart(part, shape.value[part], fixed)
    if (!names.ok) {
      return names
    }
    const twice = names.value.filter((name, n) => {
      const plain = names.value.map((one) => one.toLowerCase())
      return seen.indexOf(plain[n] as string) >= 0 || plain.indexOf(plain[n] as string) !== n
    })[0]
    if (twice !== undefined) {
      return wrong(part, 'names ' + twice + ' twice, or another part does')
    }
    names.value.forEach((name) => seen.push(name.toLowerCase()))
  }
  return seen.length >= 1 && seen.length <= MOST
    ? right(shape.value)
    : wrong('', 'must name 1 to ' + MOST + ' headers')
}

export function guardRequestHeaders(value: unknown): Guarded<HeaderEdits> {
  return guardEdits(value, REQUEST_FIXED)
}

export function guardResponseHeaders(value: unknown): Guarded<HeaderEdits> {
  return guardEdits(value, RESPONSE_FIXED)
}
