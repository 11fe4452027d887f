/** How the API says that upstreams are served, in words. */

export interface LaneView {
  state: 'open' | 'closed' | 'none'
  /** Why it is not open. */
  reason?: string
  sinceAtMs: number
}

/** How many upstreams are in which state. */
export interface LaneCounts {
  open: number
  closed: number
  none: number
  /** Whether the configuration that nginx takes when it is reloaded has all lanes. */
  written: boolean
}

const BY = {
  open: 'by nginx alone',
  closed: 'by the table for now',
  none: 'by the table',
} as const

/** `by the table for now` */
export function servedBy(state: LaneView['state']): string {
  return BY[state]
}

/** `by nginx alone since 2026-11-30T21:40:00.000Z` */
export function laneText({ state, reason, sinceAtMs }: LaneView): string {
  const why = reason === undefined ? '' : `: ${reason}`
  return `${BY[state]} since ${new Date(sinceAtMs).toISOString()}${why}`
}

/** `upstreams served by nginx alone: 3, by the table for now: 1, by the table: 2` */
export function laneCountsText({ open, closed, none }: LaneCounts): string {
  return `upstreams served ${BY.open}: ${open}, ${BY.closed}: ${closed}, ${BY.none}: ${none}`
}
