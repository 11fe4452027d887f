/** The first of what may be many: whoever may start a container does not fill a log. Pure. */

const MOST_LINES = 20

/** A line for each, or for the first twenty and how many more there are. */
export function fewLines<T>(items: readonly T[], print: (item: T) => string): string[] {
  const left = items.length - MOST_LINES
  const lines = items.slice(0, MOST_LINES).map(print)
  return left <= 0 ? lines : [...lines, `and ${left} more like these`]
}
