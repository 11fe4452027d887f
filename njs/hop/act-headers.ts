/** What a route does to headers. */
import { editedNames, headerLines } from '../../contract/record/header-edits.js'
import type { HeaderEdits } from '../../contract/record/header-edits.js'
import { editHeader } from './edit-header.js'
import type { HeadersOut } from './edit-header.js'

/** Those that the location itself sends on, as its next connection needs them. */
const OWN =
  /^(host|connection|upgrade|content-length|transfer-encoding|keep-alive|te|expect|x-sluice-pick)$/

const LINE_END = '\r\n'

export interface RequestLines {
  /** Lines behind another header's, each with the line end before it. */
  lines: string
  /** Whether they are all there is: nginx must pass on none of the client's. */
  whole: boolean
}

/**
 * nginx sets headers by names that its configuration knows, so here they are lines of text within
 * one that it does. Only where the client sent what is to be replaced all of its headers are
 * written anew; bytes in them that are no UTF-8 are lost.
 */
export function requestLines(
  edits: HeaderEdits,
  raw: ReadonlyArray<ReadonlyArray<string>>,
): RequestLines {
  const replaced = editedNames(edits)
  const own = headerLines(edits.set, LINE_END) + headerLines(edits.add, LINE_END)
  const isReplaced = (pair: ReadonlyArray<string>): boolean =>
    replaced.indexOf((pair[0] as string).toLowerCase()) >= 0
  if (!raw.some(isReplaced)) {
    return { lines: own, whole: false }
  }
  const kept = raw
    .filter((pair) => !isReplaced(pair) && !OWN.test((pair[0] as string).toLowerCase()))
    .map((pair) => LINE_END + pair[0] + ': ' + pair[1])
  return { lines: kept.join('') + own, whole: true }
}

export function editResponse(out: HeadersOut, edits: HeaderEdits): void {
  const set = edits.set || {}
  const add = edits.add || {}
  const removed = edits.remove || []
  removed.forEach((name) => editHeader(out, '-', name, ''))
  Object.keys(set).forEach((name) => editHeader(out, '=', name, set[name] as string))
  Object.keys(add).forEach((name) => editHeader(out, '+', name, add[name] as string))
}
