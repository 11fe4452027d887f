/**
 * nginx's zones of stream{}, which shares none with http{}. The build puts this file in the place
 * of dict.ts for what runs there.
 */
import type { Dict, NumberDict, Zones } from './dict.js'

declare const ngx: {
  readonly shared: {
    sluice_stream_table: Dict
    sluice_stream_active: NumberDict
    sluice_stream_load: NumberDict
    sluice_stream_event: Dict
    sluice_stream_counter: NumberDict
  }
}

/** Asked for once: it costs as much as a read of the table. */
const shared = ngx.shared

export const zones: Omit<Zones, 'sluice_promise'> = {
  sluice_table: shared.sluice_stream_table,
  sluice_active: shared.sluice_stream_active,
  sluice_load: shared.sluice_stream_load,
  sluice_event: shared.sluice_stream_event,
  sluice_counter: shared.sluice_stream_counter,
}
