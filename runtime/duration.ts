/** Durations as people write them: `1500ms`, `15s`, `2m`, `1h`. */

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Milliseconds; undefined when the text is no duration. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text)
  return match === null ? undefined : Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? NaN)
}

/** The inverse, in the largest unit that says it without a fraction. */
export function printDuration(ms: number): string {
  const unit = ['h', 'm', 's'].find((each) => ms > 0 && ms % (UNIT_MS[each] ?? NaN) === 0) ?? 'ms'
  return `${ms / (UNIT_MS[unit] ?? 1)}${unit}`
}
