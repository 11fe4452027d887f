/** What does not fit a schema, in words: which field, what is expected, what was given. */
import type { TSchema } from 'typebox'
import { knownText } from '../../../contract/guard/guarded.js'
import { givenText, withGiven } from './given.js'

export interface SchemaError {
  keyword: string
  instancePath: string
  params: unknown
}

export interface Complaint {
  /** `operations[3].path`; empty for all of it. */
  field: string
  what: string
}

interface Node {
  type?: string
  enum?: unknown[]
  anyOf?: Node[]
  items?: Node
  properties?: Record<string, Node>
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  /** In place of words made of the others: a pattern says little to a person. */
  title?: string
}

/** `kind` is what a field is called there: `query parameter`. */
export function complaintOf(
  error: SchemaError,
  schema: TSchema,
  value: unknown,
  kind: string,
): Complaint {
  const path = error.instancePath.split('/').slice(1).map(plainPart)
  const { additionalProperties, requiredProperties } = error.params as Record<string, string[]>
  const node = path.reduce<Node | undefined>(inner, schema as Node)
  if (error.keyword === 'additionalProperties') {
    const field = fieldPath([...path, additionalProperties?.[0] ?? ''])
    return {
      field,
      what: `is not a known ${kind}${knownText(Object.keys(node?.properties ?? {}))}`,
    }
  }
  if (error.keyword === 'required') {
    const name = requiredProperties?.[0] ?? ''
    const rule = `must be ${expectedOf(node?.properties?.[name])}`
    return { field: fieldPath([...path, name]), what: withGiven(rule, undefined) }
  }
  const given = path.reduce<unknown>((part, name) => (part as Record<string, unknown>)[name], value)
  const isTwice = kind === 'query parameter' && Array.isArray(given) && node?.type === 'string'
  const what = isTwice
    ? `is given ${given.length} times; once is enough`
    : withGiven(`must be ${expectedOf(node)}`, given)
  return { field: fieldPath(path), what }
}

function inner(node: Node | undefined, name: string): Node | undefined {
  const candidates = node === undefined ? [] : [node, ...(node.anyOf ?? [])]
  return candidates.map((each) => each.properties?.[name] ?? each.items).find((each) => each)
}

function expectedOf(node: Node | undefined): string {
  if (node === undefined) {
    return 'otherwise'
  }
  if (node.title !== undefined) {
    return node.title
  }
  if (node.anyOf !== undefined) {
    return node.anyOf.map(expectedOf).join(', or ')
  }
  if (node.enum !== undefined) {
    return listed(node.enum.map(givenText))
  }
  const words: Record<string, string> = {
    integer: `a whole number${rangeText(node.minimum, node.maximum)}`,
    string: `a text${rangeText(node.minLength, node.maxLength, ' characters')}`,
    array: `a list${rangeText(node.minItems, node.maxItems, ' entries')}`,
    boolean: 'true or false',
  }
  return words[node.type ?? ''] ?? 'a JSON object'
}

function listed(values: string[]): string {
  return values.length === 1 ? (values[0] as string) : `one of ${values.join(', ')}`
}

/** ` from 1 to 9`; with a unit ` of 1 to 9 characters`. */
function rangeText(least?: number, most?: number, unit = ''): string {
  if (least !== undefined && most !== undefined) {
    return `${unit === '' ? ' from' : ' of'} ${least} to ${most}${unit}`
  }
  if (most !== undefined) {
    return ` of at most ${most}${unit}`
  }
  return least === undefined ? '' : ` of at least ${least}${unit}`
}

function plainPart(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~')
}

/** `['operations', '3', 'path']` → `operations[3].path` */
function fieldPath(path: string[]): string {
  return path.reduce((field, part) => {
    const short = part.slice(0, 100)
    if (/^\d+$/.test(short) && field !== '') {
      return `${field}[${short}]`
    }
    return field === '' ? short : `${field}.${short}`
  }, '')
}
