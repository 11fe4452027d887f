/** What `/proc/<pid>/stat` holds. */

/**
 * Its fields from the state on: `[0]` is the state (`R`, `S`, `T`, `Z` …), `[1]` the parent, `[19]`
 * the start in clock ticks since the machine's. The name before them may hold spaces and brackets.
 */
export function statFields(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}
