/** One header of an answer, changed by a route: at the front and at the hop alike. */

/** An answer's headers, as nginx lets them be changed. */
export interface HeadersOut {
  [name: string]: string | string[] | undefined
}

/** `mark`: `=` sets the header, `+` adds a value to what is there, `-` removes it. */
export function editHeader(out: HeadersOut, mark: string, name: string, value: string): void {
  const there = mark === '+' ? out[name] : undefined
  if (there === undefined) {
    delete out[name]
  }
  if (mark !== '-') {
    out[name] = there === undefined ? value : ([] as string[]).concat(there, value)
  }
}
