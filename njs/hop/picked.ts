/** What the front looked up and picked, as its header says to the hop. */
import { HEAD_ONLY, TOO_LARGE } from '../../contract/servers.js'

export interface Picked {
  /** `@app.example.com/7` or `:web/7` */
  key: string
  /** What the front picked; '' when it left that to the hop. */
  sid: string
}

/**
 * Parses `@app.example.com/7 0123…`. A key may hold anything, but a SID never holds a space. nginx
 * joins a client's `X_Sluice_Pick` to the front's own header, behind `, `: that is not read.
 */
export function parsePick(header: string | undefined): Picked {
  const text = header === undefined ? '' : (header.split(', ', 1)[0] as string)
  const space = text.lastIndexOf(' ')
  return space < 0
    ? { key: text, sid: '' }
    : { key: text.slice(0, space), sid: text.slice(space + 1) }
}

/** Whether the front sent the head alone, for it saw that the request is refused. */
export function isHeadOnly(picked: Picked): boolean {
  return picked.sid === HEAD_ONLY || picked.sid === TOO_LARGE
}
