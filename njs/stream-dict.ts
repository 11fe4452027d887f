/** In place of njs/dict.ts for what runs in stream{}: nginx does not share a zone between http{} and stream{}. */
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

export const zones: Zones = {
  sluice_table: ngx.shared.sluice_stream_table,
  sluice_active: ngx.shared.sluice_stream_active,
  sluice_load: ngx.shared.sluice_stream_load,
  sluice_event: ngx.shared.sluice_stream_event,
  sluice_counter: ngx.shared.sluice_stream_counter,
}
