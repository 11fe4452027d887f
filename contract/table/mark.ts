/**
 * The characters that names of units and values of slots begin with. The build puts them in place,
 * so that a name costs no request anything.
 */

/** What the name of a unit begins with. */
export const enum UnitKind {
  Upstream = ':',
  Host = '@',
  Split = '~',
  Action = '&',
  Certificate = '^',
}

/**
 * By code: `!` < `#` < `$` < `%` < `*` < `/` < `0`. A SID begins with a hex digit, so a value above
 * `BelowSid` is one, and a reader need not cut the first character off to know which value it has.
 */
export const enum SlotMark {
  /** One request is to try a peer that was ejected. */
  Trial = '!',
  /** Many peers share the slot: its cells have keys of their own. */
  Cells = '#',
  /** The rules of the upstream choose. */
  Ruled = '$',
  /** The peer is asked over a connection of the kept pool, in the way that is said behind it. */
  Kept = '%',
  /** The first that no kept slot begins with, and the first that one of several peers does not. */
  AboveKept = '&',
  KeptOne = '%0',
  /** Before a pick that is still to be counted as in flight to its peer; never in the table. */
  Uncounted = '+',
  /** A few peers share the slot: they stand in the value. */
  Shared = '*',
  BelowSid = '/',
}

/** Stands in a slot before the names of its instance: no SID, upstream or instance has it. */
const NAME_MARK = '='

/**
 * The value of a slot that says who it is: `<sid>=web=a` for instance `a` of `web`. nginx itself
 * takes it apart (nginx/http-variables.ts).
 */
export function printNamedSlot(sid: string, upstream: string, instance: string): string {
  return sid + NAME_MARK + upstream + NAME_MARK + instance
}

/**
 * What stands before a name that TLS is passed through for, in the table of stream{}:
 * `tls*app.example.com` at the HTTPS port, `9100*app.example.com` at a port of its own; there
 * `9100*` alone says that the port has names.
 */
export const SNI_PREFIX = 'tls*'
/** In the fallback of stream{}: what nobody may serve. */
export const NOBODY = '-'
