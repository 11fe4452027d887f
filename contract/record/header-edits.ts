/** What a route does to headers; apart from its guard, which njs does without. */

/**
 * `set` takes the place of what is there, `add` stands beside it. Names in any case; no name in two
 * of the three.
 */
export interface HeaderEdits {
  set?: { [name: string]: string }
  add?: { [name: string]: string }
  remove?: string[]
}

/** The names, in lower case, of the headers that an edit replaces or removes. */
export function editedNames(edits: HeaderEdits): string[] {
  const replaced = Object.keys(edits.set || {}).concat(edits.remove || [])
  return replaced.map((name) => name.toLowerCase())
}

/** `X-One: a`, a line for each header, each behind `before`. */
export function headerLines(values: HeaderEdits['set'], before: string): string {
  const given = values || {}
  return Object.keys(given)
    .map((name) => before + name + ': ' + given[name])
    .join('')
}
