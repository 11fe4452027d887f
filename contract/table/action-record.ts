/**
 * A route that acts, as the table has it at `&docs`. Its lines are: who serves it, and its prefix;
 * what the front can change by itself (contract/table/action-lines.ts); and all of its action as
 * JSON.
 */
import { printAction } from '../record/print-action.js'
import type { RouteAction } from '../record/route-action.js'
import { editedNames, headerLines } from '../record/header-edits.js'
import type { HeaderEdits } from '../record/header-edits.js'
import { FOR_HOP, FOR_PATIENT_HOP } from './action-lines.js'

/**
 * Who serves what it does not answer itself (`:web`, `~canary`, `-` for nobody), and what it needs
 * to act.
 */
export interface ActionRecord {
  target: string
  /** The route's own path prefix. */
  prefix: string
  action: RouteAction
}

/** A longer action would not fit twice into a value of the table. */
const MOST_AT_FRONT = 8000
/** All that the front can change. */
const CHANGES = ['rewrite', 'upstreamHost', 'requestHeaders', 'responseHeaders']

/**
 * Headers that the front sends itself, where a second line would stand beside its own; and those
 * that say what a session is, which the pick reads before anything is changed.
 */
const NOT_AT_FRONT = /^(x-forwarded-(for|proto|host|port)|forwarded|proxy|cookie)$/

/** Whether the front sends a header of this name, in lower case, or reads it itself. */
export function isSentByFront(name: string): boolean {
  return NOT_AT_FRONT.test(name)
}

function namesIn(edits: HeaderEdits | undefined): string[] {
  const given = edits || {}
  return editedNames(given).concat(Object.keys(given.add || {}).map((name) => name.toLowerCase()))
}

/** `length`: of the action as text. */
function absentFor(action: RouteAction, length: number): string {
  if (action.timeouts !== undefined) {
    return FOR_PATIENT_HOP
  }
  const isMore =
    length > MOST_AT_FRONT || Object.keys(action).some((field) => CHANGES.indexOf(field) < 0)
  if (isMore || namesIn(action.requestHeaders).some(isSentByFront)) {
    return FOR_HOP
  }
  const replaced = action.requestHeaders === undefined ? [] : editedNames(action.requestHeaders)
  return replaced.map((name) => 'http_' + name.replace(/-/g, '_')).join(' ')
}

function answeredBy(edits: HeaderEdits): string {
  const gone = (edits.remove || []).map((name) => '\t-' + name).join('')
  return gone + headerLines(edits.set, '\t=') + headerLines(edits.add, '\t+')
}

function pathOf(action: RouteAction): string {
  const rewrite = action.rewrite
  return rewrite === undefined ? '' : rewrite.replacePrefix || '/'
}

/** The lines for the front. */
function changesOf(action: RouteAction, length: number): string[] {
  const absent = absentFor(action, length)
  if (absent.startsWith(FOR_HOP)) {
    return [absent, '', '', '', '']
  }
  const sent = action.requestHeaders || {}
  return [
    absent,
    action.upstreamHost || '',
    pathOf(action),
    headerLines(sent.set, '\t') + headerLines(sent.add, '\t'),
    answeredBy(action.responseHeaders || {}),
  ]
}

export function printActionRecord(record: ActionRecord): string {
  const action = record.action
  const text = printAction(action)
  return [record.target + ' ' + record.prefix]
    .concat(changesOf(action, text.length), text)
    .join('\n')
}

/** Throws when `text` is none; the controller writes no such thing. */
export function parseActionRecord(text: string): ActionRecord {
  const space = text.indexOf(' ')
  return {
    target: text.slice(0, space),
    prefix: text.slice(space + 1, text.indexOf('\n')),
    action: JSON.parse(text.slice(text.lastIndexOf('\n') + 1)) as RouteAction,
  }
}
