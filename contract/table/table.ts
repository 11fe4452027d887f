/**
 * The table: flat keys and values in nginx's shared dict, made so that a request has little to do.
 * Most requests read one key, and its value is the answer. Everything else here is for the others:
 * a shared slot, a route by path, a retry, a resync.
 *
 * A *unit* is what is written and removed as one. All of its keys begin with its name. At the name
 * itself stands a digest, and behind that the unit's record. The units are:
 *
 * - An upstream, `:web`. Its record is the number of peer buckets, `2`; then, where its policy
 *   needs them, its rules (contract/table/rules.ts). It has slots unless its rules choose.
 * - Some of an upstream's instances, `:web.0123456789abcdef`. The same as an upstream; the digits
 *   stand for the metadata that these instances must have.
 * - A host, `@app.example.com`, `@*.example.com`, `@www.example.*`, `@*`, or what stands for one in
 *   stream{}: a port, `@tcp*9100`, a name that is passed through, `@tls*app.example.com`, or both,
 *   `@9100*app.example.com`. Its record is its routes, `/api :api\n/ :web`, or where they are
 *   (contract/table/host-record.ts). {@link FAST_HOSTS} of them have slots.
 * - A split, `~canary`. Its record is its upstreams, `:web :web-next`; then, where more than a draw
 *   decides, what does (contract/table/split-record.ts). It has slots where only a draw does.
 * - A route that acts, `&docs`. Its record is who serves it, its path prefix and what it does
 *   (contract/table/action-record.ts). It has no slots.
 * - A certificate, `^app.example.com`, `^*.example.com`, `^*` for all else, `^=<id>` for instances.
 *   Its record is a line feed, then the chain and its key, as PEM that nginx reads as it is. It has
 *   no slots.
 *
 * The keys, and their values:
 *
 * - `<unit>`: `<digest> <record>`. The digest (8 hex digits) is of all the unit's entries.
 * - `<unit>/<slot>`: what serves this slot: `<sid>`, or shared as below. Of a host of stream{}:
 *   `<sid> <target>`, where the peer need not be asked first: its address, or its seat.
 * - `<unit>/<slot>/<cell>`: `<sid>`, a cell of a slot that many peers share.
 * - `@app.example.com/#<chunks>/<chunk>`: some of the lines of a host that has many
 *   (contract/table/host-record.ts).
 * - `:web%<chunk>`, `:web=<chunk>`, `:web$<name>`: what its rules choose from, and whom a session
 *   names (contract/table/rules.ts).
 * - `:web#<bucket>`: peers, a line each: `<sid> <ip:port> <id> <flags>[ <token>]`.
 * - `<unit>+`: there while the unit is rewritten in several parts. It says which keys the unit may
 *   have, as `<what follows its name><how many>`: `%13 /7/20`.
 * - `#<bucket>`: names of the units in this bucket of the index, a line each.
 * - `!`: `<epoch> <revision> <1 when whole, 0 while a resync is under way>`.
 * - `!owner` and `!touch`: see contract/push.ts.
 *
 * The value of a slot is one of these:
 *
 * - A SID (32 hex digits). In a host's slot, for a gateway that has the named ones read by nginx
 *   itself, `<sid>=<upstream>=<instance>` (contract/table/mark.ts): its access log then costs no
 *   JavaScript.
 * - Shared by few peers: `*`, and for each of them a threshold of 3 digits and its SID. The first
 *   whose threshold is above the drawn share (0 to 999) serves. The last threshold is `999`, which
 *   always matches.
 * - Shared by many: `#<cells>`. Cell number floor(share * cells / 1000) serves.
 * - `!`, the number of a trial (one digit) and a SID, before one of those: one request is to try
 *   that SID; the others go by what follows.
 * - In a split, `$` before one of those: the slot says only which upstream is asked, by one of its
 *   SIDs. The rules of that upstream choose.
 *
 * - Of an upstream whose peers are reached over TLS or HTTP/2, `%`, a SID or what few peers share,
 *   the end of the location's name that asks them (contract/table/peer-way.ts), and the name that
 *   they are asked for over TLS: `%<sid> _tls shop.internal`. The id of the certificate that they
 *   are shown may follow: `%<sid> _tls_shown shop.internal gateway`. nginx's kept pool has all of
 *   them. Such an upstream has rules that choose, too: slots are there for what needs no more.
 *
 * An upstream has no peer that is up when its slots are not there and its record has no rules that
 * choose.
 */
import { SlotMark } from './mark.js'
import { INDEX_BUCKETS, MOST_VALUE_BYTES, SHARES } from './limits.js'

/** Key of the state record. */
export const STATE_KEY = '!'
/**
 * What follows a unit's name in the key of its note: which keys it may have while it is rewritten.
 */
export const NOTE = '+'
/** How many characters these take. The build puts the numbers in place, as those of mark.ts. */
export const enum Width {
  Sid = 32,
  /** `<threshold><sid>` in a slot that a few peers share. */
  Share = 35,
  /** `<number><sid>` of a trial. */
  Trial = 33,
  /** `<digest> ` before a unit's record. */
  Digest = 9,
}

/**
 * Flags of a peer line: `u` up, `e` ejected: for when nobody else is left, `d` draining or down;
 * then `p` in the pool, `a` reached by address; in stream{} `p17` for its seat
 * (contract/seat.ts).
 */
export interface PeerLine {
  sid: string
  address: string
  id: string
  up: boolean
  ejected: boolean
  pooled: boolean
  /** Its number, in stream{}; '' where it has none. */
  seat: string
  /** What a session's cookie calls it; '' where the policy has none. */
  token: string
}

export interface TableState {
  /** 0 when the dict is empty: nothing was ever written. */
  epoch: number
  revision: number
  /** False while a resync is under way: what is missing then may still come. */
  whole: boolean
}

export function printState(state: TableState): string {
  return state.epoch + ' ' + state.revision + ' ' + (state.whole ? '1' : '0')
}

export function parseState(text: string | undefined): TableState {
  const parts = (text === undefined ? '0 0 0' : text).split(' ')
  return { epoch: Number(parts[0]), revision: Number(parts[1]), whole: parts[2] === '1' }
}

export function printPeer(peer: PeerLine): string {
  return (
    peer.sid +
    ' ' +
    peer.address +
    ' ' +
    peer.id +
    ' ' +
    (peer.up ? 'u' : peer.ejected ? 'e' : 'd') +
    (peer.pooled ? 'p' : 'a') +
    peer.seat +
    (peer.token === '' ? '' : ' ' + peer.token)
  )
}

export function parsePeer(line: string): PeerLine {
  const parts = line.split(' ')
  const flags = parts[3] as string
  return {
    sid: parts[0] as string,
    address: parts[1] as string,
    id: parts[2] as string,
    up: flags.charAt(0) === 'u',
    ejected: flags.charAt(0) === 'e',
    pooled: flags.charAt(1) === 'p',
    seat: flags.slice(2),
    token: parts[4] === undefined ? '' : parts[4],
  }
}

/**
 * The upstream of a unit that is one, or some of its instances: `:web.0123456789abcdef` → `web`.
 */
export function upstreamOf(unit: string): string {
  const dot = unit.indexOf('.')
  return unit.slice(1, dot < 0 ? unit.length : dot)
}

/** The bucket of `buckets` that a peer's line is in. */
export function peerBucket(sid: string, buckets: number): number {
  return parseInt(sid.slice(0, 6), 16) % buckets
}

/** The bucket of the index that a unit's name is in. */
export function indexBucket(unit: string): number {
  let hash = 0
  for (let i = 0; i < unit.length; i++) {
    hash = (hash * 31 + unit.charCodeAt(i)) % 65521
  }
  return hash % INDEX_BUCKETS
}

/** The cell of a slot shared by `cells` that a drawn share falls into. */
export function shareCell(share: number, cells: number): number {
  return Math.floor((share * cells) / SHARES)
}

/** What a slot's value says, before one of its peers is drawn. */
export interface SlotValue {
  /** `<number><sid>` of a peer that one request is to try; '' for none. */
  trial: string
  /** Whether the upstream of the peer that is drawn has rules that choose. */
  ruled: boolean
  /** Who is drawn from: `<sid>`, `*…` or `#<cells>`. */
  value: string
}

export function printSlot(slot: SlotValue): string {
  return (
    (slot.trial === '' ? '' : SlotMark.Trial + slot.trial) +
    (slot.ruled ? SlotMark.Ruled : '') +
    slot.value
  )
}

export function parseSlot(text: string): SlotValue {
  const isTrial = text.charAt(0) === SlotMark.Trial
  const rest = isTrial ? text.slice(1 + Width.Trial) : text
  const ruled = rest.charAt(0) === SlotMark.Ruled
  return {
    trial: isTrial ? text.slice(1, 1 + Width.Trial) : '',
    ruled: ruled,
    value: ruled ? rest.slice(1) : rest,
  }
}

/** How many cells with keys of their own a slot has; 0 when few or one share it. */
export function cellsOf(text: string): number {
  const value = parseSlot(text).value
  return value.charAt(0) === SlotMark.Cells ? Number(value.slice(1)) : 0
}

/**
 * A delta as its sender prints it: its counts, then what it may write,
 * `[[":web/0","…"],[":web#1",null]]`. One look at the text of all of them, for a look at each
 * field would take a worker longer than the writes. First slots and cells, whose values are SIDs;
 * then slots of hosts that say who it is; then certificates, in PEM; then all other keys, with
 * printable text, line feeds and tabs. Nothing here matches in two ways, so what does not match is
 * found out in one pass.
 */
const DELTA =
  /^\{"epoch":\d{1,15},"from":\d{1,15},"to":\d{1,15},"whole":(?:true|false),"operations":\[(?:\["(?:[:@~][a-z0-9_.*-]{1,259}\/\d{1,2}(?:\/\d{1,4})?",(?:null|"(?:!\d[0-9a-f]{32})?\$?(?:[0-9a-f]{32}(?: [0-9a-z.:[\]]{1,60})?|#\d{1,4}|\*(?:\d{3}[0-9a-f]{32}){2,16})"|"%(?:[0-9a-f]{32}|\*(?:\d{3}[0-9a-f]{32}){2,16}) [a-z0-9_]{1,20} [a-z0-9.-]{0,253}(?: [a-z0-9-]{1,63})?")|@[a-z0-9_.*-]{1,255}\/\d{1,2}","[0-9a-f]{32}=[a-z0-9-]{1,63}=[A-Za-z0-9_.:-]{1,128}"|\^=?[a-z0-9_.*-]{1,253}",(?:null|"[0-9a-f]{8} \\n-----BEGIN [ !#-[\]-~]*(?:\\n[ !#-[\]-~]*)*")|(?:#\d{1,3}|[:@~][a-z0-9_.*-]{1,259}\+?|&[a-z0-9-]{1,63}|@[a-z0-9_.*-]{1,255}\/#\d{1,5}\/\d{1,5}|:[a-z0-9-]{1,63}(?:\.[0-9a-f]{16})?(?:[#%=]\d{1,5}|\$[A-Za-z0-9_.:-]{0,128}))",(?:null|"(?!")[ !#-[\]-~]*(?:\\[nt"\\][ !#-[\]-~]*)*"))\],?)*\]\}$/

/**
 * Whether `text` is a delta of sets and deletes of keys of the table (the state record is none)
 * whose values fit their keys, but for their length.
 */
export function isDeltaText(text: string): boolean {
  return DELTA.test(text)
}

/** Whether no value is longer than one may be. `text` is their JSON. */
export function areShort(operations: Array<[string, string | null]>, text: string): boolean {
  return (
    text.length <= MOST_VALUE_BYTES ||
    operations.every((operation) => {
      return operation[1] === null || operation[1].length <= MOST_VALUE_BYTES
    })
  )
}

/** Whether all are sets and deletes as a delta may have them. */
export function areOperations(operations: unknown[]): boolean {
  const text =
    '{"epoch":1,"from":1,"to":1,"whole":true,"operations":' + JSON.stringify(operations) + '}'
  return isDeltaText(text) && areShort(operations as Array<[string, string | null]>, text)
}

/** Whether `key` may be written by a delta. */
export function isTableKey(key: unknown): key is string {
  return areOperations([[key, null]])
}

/** Whether `value` fits `key`. */
export function isTableValue(key: string, value: string): boolean {
  return areOperations([[key, value]])
}
