/**
 * Where a connection goes whose answer stands in the table: nearly all. The peer need not be asked
 * first, because there is no other, or because it has a seat (contract/seat.ts). All else is in
 * stream-calls.lazy.ts, so that these connections do not pay for it.
 */
import { SlotMark } from '../../contract/table/mark.js'
import { Width } from '../../contract/table/table.js'
import { activeKey, enter, leave } from '../memory/active-counts.js'
import type { Dict, NumberDict } from '../memory/dict.js'
import { onExit, releaseAll } from '../memory/on-exit.js'

declare const ngx: {
  readonly shared: { sluice_stream_table: Dict; sluice_stream_active: NumberDict }
}

/** These two alone: to ask for a zone costs as much as to read it. */
export const table = ngx.shared.sluice_stream_table
const active = ngx.shared.sluice_stream_active

/**
 * Where it goes, and counts it; '' where the table has no answer, and nothing has happened. `key`:
 * `@tcp*9100/7`. `bySeat`: whether nginx has seats; the table may be of an nginx that had, which
 * was reloaded. Text is compared, because that costs a tenth of asking for a length. What throws
 * here throws in what is asked next too, which logs it.
 */
export function readyTarget(key: string, bySeat: boolean): string {
  try {
    const value = table.get(key) as string
    const target = value > SlotMark.BelowSid ? value.slice(Width.Sid + 1) : ''
    // No address begins with a letter.
    if (!bySeat && target > 'A') {
      return ''
    }
    if (target !== '') {
      const counted = activeKey(value.slice(0, Width.Sid), process.pid)
      enter(active, counted)
      onExit(() => leave(active, counted))
    }
    return target
  } catch (error) {
    return ''
  }
}

/**
 * Gives back what is counted for a peer, where that has refused and nginx has gone on to the
 * server behind its seat, which counts by itself.
 */
export function giveBack(s: NginxStreamRequest): void {
  try {
    if ((s.variables.upstream_addr || '').indexOf('unix:') >= 0) {
      releaseAll()
    }
  } catch (error) {
    s.error('sluice: a count is given back only when its connection ends: ' + String(error))
  }
}
