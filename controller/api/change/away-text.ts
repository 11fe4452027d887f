/** Why a gateway that is not connected has not said anything, for people. */

/** `not connected since 2026-01-31T12:00:00.000Z: its controller does not report` */
export function awayText(sinceAtMs: number | undefined, reason: string | undefined): string {
  const since = sinceAtMs === undefined ? '' : ` since ${new Date(sinceAtMs).toISOString()}`
  return `not connected${since}${reason === undefined ? '' : `: ${reason}`}`
}
