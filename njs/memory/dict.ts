/**
 * nginx's zones of http{}, and what is used of their dicts. In stream{} the build puts
 * stream-dict.ts in its place. What needs a dict takes it as an argument, so tests can give
 * another.
 */

/**
 * What is used of an njs shared dict of strings. `set` throws when the zone is full and then
 * leaves the old value.
 */
export interface Dict {
  readonly capacity: number
  get(key: string): string | undefined
  set(key: string, value: string): unknown
  delete(key: string): unknown
  freeSpace(): number
}

/**
 * What is used of an njs shared dict of numbers. `incr` is atomic, starts at 0, answers the new
 * value, and throws when full.
 */
export interface NumberDict {
  get(key: string): number | undefined
  add(key: string, value: number): boolean
  set(key: string, value: number): unknown
  incr(key: string, by: number): number
  delete(key: string): unknown
  /** At most `most` keys; -1 means all. */
  keys(most: number): string[]
}

/**
 * What is used of one whose keys two servers share. Each call is atomic. `replace` is false where
 * there is no such key; both throw when the zone is full.
 */
interface SharedKeys {
  add(key: string, value: string): boolean
  replace(key: string, value: string): boolean
  pop(key: string): string | undefined
}

export interface Zones {
  sluice_table: Dict
  sluice_active: NumberDict
  sluice_load: NumberDict
  sluice_event: Dict
  sluice_counter: NumberDict
  /** There is none in stream{}. */
  sluice_promise: SharedKeys
}

declare const ngx: { readonly shared: Zones }

export const zones = ngx.shared
