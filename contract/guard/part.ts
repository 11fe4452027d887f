/** Guards of parts that consist of scalars: a rule for each field. */
import { brokenRule, guardShape, right, wrong } from './guarded.js'
import type { Guarded, FieldRule, Fields } from './guarded.js'
import { isWhole } from './names.js'

export function isFlag(value: unknown): boolean {
  return typeof value === 'boolean'
}

export function oneOf(words: string[]): (value: unknown) => boolean {
  return (value) => typeof value === 'string' && words.indexOf(value) >= 0
}

export function wholeRule(field: string, low: number, high: number): FieldRule {
  return [
    field,
    (value) => isWhole(value, low, high),
    'must be a whole number from ' + low + ' to ' + high,
  ]
}

/**
 * `defaults` are the fields that need not be given; a field that is in neither is optional unless
 * `required` names it.
 */
export function guardPart<T>(
  value: unknown,
  rules: FieldRule[],
  defaults: Fields,
  required: string[],
): Guarded<T> {
  const known = rules.map((rule) => rule[0])
  const shape = guardShape(value, known)
  if (!shape.ok) {
    return shape
  }
  const fields: Fields = Object.assign({}, defaults, shape.value)
  const missing = required.filter((field) => fields[field] === undefined)
  if (missing.length > 0) {
    return wrong(missing[0] as string, 'is missing')
  }
  const bad = brokenRule(fields, rules, [])
  return bad === undefined ? right(fields as unknown as T) : wrong(bad[0], bad[2])
}
