/** The known name that a misspelt one was most likely meant to be. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}

/** The one of `known` that `given` was most likely meant to be, or undefined when none is close. */
export function nearest(given: string, known: Iterable<string>): string | undefined {
  let best: { name: string; edits: number } | undefined
  for (const name of known) {
    const edits = distance(given.toLowerCase(), name.toLowerCase())
    if (best === undefined || edits < best.edits) {
      best = { name, edits }
    }
  }
  const most = Math.max(2, Math.floor(given.length / 3))
  return best !== undefined && best.edits <= most ? best.name : undefined
}
