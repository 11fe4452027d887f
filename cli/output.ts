/** How answers become lines of text. */

/** Columns as wide as their widest cell; the heads in capitals. */
export function columns(heads: string[], rows: Array<Array<string | number>>): string[] {
  const cells = [heads.map((head) => head.toUpperCase()), ...rows.map((row) => row.map(String))]
  const widths = heads.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)))
  return cells.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/**
 * {@link columns}, or where there is nothing to list what to do about it: bare heads leave a
 * newcomer at a loss.
 */
export function table(
  heads: string[],
  rows: Array<Array<string | number>>,
  whenEmpty: string,
): string[] {
  return rows.length === 0 ? [whenEmpty] : columns(heads, rows)
}

export function age(ms: number): string {
  const [minutes, days] = [Math.round(ms / 60_000), Math.floor(ms / 86_400_000)]
  if (days > 1) {
    return `${days} days`
  }
  const seconds = Math.round(ms / 1000)
  return ms < 1000 ? `${ms} ms` : seconds < 120 ? `${seconds} s` : `${minutes} min`
}

/** Objects and lists as indented lines, in the order of the answer. */
export function outline(value: unknown, indent = ''): string[] {
  if (typeof value !== 'object' || value === null) {
    return [indent + String(value)]
  }
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    const head = indent + (Array.isArray(value) ? '-' : key + ':')
    if (typeof inner !== 'object' || inner === null) {
      return [`${head} ${String(inner)}`]
    }
    const lines = outline(inner, indent + '  ')
    return lines.length === 0 ? [`${head} none`] : [head, ...lines]
  })
}
