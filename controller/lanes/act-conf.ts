/**
 * What a route does, as nginx does it by itself to requests of a gate, byte for byte as the table's
 * way does. A request whose path nginx would write anew in another way than it came does not pass.
 */
import type { HeaderEdits } from '../../contract/record/header-edits.js'
import { editedNames, headerLines } from '../../contract/record/header-edits.js'
import type { RouteAction } from '../../contract/record/route-action.js'
import { TOO_LARGE } from '../../contract/servers.js'
import type { ActionRecord } from '../../contract/table/action-record.js'
import { isSentByFront } from '../../contract/table/action-record.js'
import { literal, plain, quotedWord } from '../fallback/conf-writer.js'
import type { ConfWriter, Word } from '../fallback/conf-writer.js'

interface Condition {
  /** Empty where a request may pass. */
  variable: string
  isNeededBy: (record: ActionRecord) => boolean
  /** Undefined: nginx's own files have it. */
  write?: (out: ConfWriter) => void
}

const DONE = ['rewrite', 'upstreamHost', 'requestHeaders', 'responseHeaders']
const DONE_BY_HOP = ['maxBodyBytes', 'buffering']
/** nginx has a field of its own for each of these, beside the list of headers. */
const SPECIAL = /^(last-modified|etag|location|refresh|accept-ranges|content-range|alt-svc|status)$/

function allNames({ set, add, remove }: HeaderEdits): string[] {
  const names = [...Object.keys(set ?? {}), ...Object.keys(add ?? {}), ...(remove ?? [])]
  return names.map((name) => name.toLowerCase())
}

/** nginx looks for variables in all texts. */
function hasDollar({ rewrite, requestHeaders, responseHeaders }: RouteAction): boolean {
  const texts = [requestHeaders, responseHeaders].flatMap((edits) => [
    ...Object.values(edits?.set ?? {}),
    ...Object.values(edits?.add ?? {}),
  ])
  return [...texts, rewrite?.replacePrefix ?? ''].some((text) => text.includes('$'))
}

/** Why nginx alone cannot do what a route does; undefined where it can. */
export function whyNotAction({ action }: ActionRecord): string | undefined {
  const other = Object.keys(action).find((field) => ![...DONE, ...DONE_BY_HOP].includes(field))
  const sent = allNames(action.requestHeaders ?? {}).find(isSentByFront)
  const answered = allNames(action.responseHeaders ?? {}).find((name) => SPECIAL.test(name))
  if (other !== undefined) {
    return other
  }
  if ((sent ?? answered) !== undefined) {
    return `the header ${sent ?? answered}`
  }
  if (action.maxBodyBytes === 0) {
    return 'maxBodyBytes of 0'
  }
  const { add, ...replaced } = action.requestHeaders ?? {}
  if (add !== undefined && Object.keys(replaced).length > 0) {
    // Where they stand among the client's own depends on which of these it sent.
    return 'requestHeaders that are added beside others'
  }
  return hasDollar(action) ? 'a text with $' : undefined
}

/** What takes the place of the prefix; undefined where the path stays as it came. */
function newPrefix({ action, prefix }: ActionRecord): string | undefined {
  const to = action.rewrite && (action.rewrite.replacePrefix ?? '/')
  return to === prefix ? undefined : to
}

/**
 * A path of which nginx sends the same bytes whether it wrote it anew or not: nothing encoded, no
 * empty segment, none that begins with a dot, nothing that a server rewrote, and a query that has
 * something in it.
 */
const SAFE = "A-Za-z0-9_~!$&'()*+,;=:@-"
const USUAL_TARGET = `~^(?<sluice_usual>(?=/)(?:/[${SAFE}][.${SAFE}]*+)*+/?) (?P=sluice_usual)(?:[?][^#\\x80-\\xff]+)?$`

const CONDITIONS: Condition[] = [
  {
    variable: '$sluice_usual_target',
    // The table's way writes the query anew even where the path stays as it came.
    isNeededBy: ({ action }) => action.rewrite !== undefined,
    write: (out) =>
      out.block('map', [{ text: '"$uri $request_uri"' }, plain('$sluice_usual_target')], () => {
        out.entry(plain('default'), quotedWord('!'))
        out.entry({ text: `"${USUAL_TARGET}"` }, quotedWord(''))
      }),
  },
  {
    // A length is compared by the table.
    variable: '$sluice_unmeasured',
    isNeededBy: ({ action }) => action.maxBodyBytes !== undefined,
    write: (out) =>
      out.block(
        'map',
        [{ text: '$content_length$http_transfer_encoding' }, plain('$sluice_unmeasured')],
        () => {
          out.entry(plain('default'), quotedWord('!'))
          out.entry(quotedWord(''), quotedWord(''))
        },
      ),
  },
  {
    variable: '$sluice_unmerged',
    isNeededBy: ({ action }) => addedToAnswers(action.responseHeaders).length > 0,
  },
]

/** Variables, each empty where a request may pass. */
export function conditionsOf(record: ActionRecord | undefined): string[] {
  const needed = CONDITIONS.filter(({ isNeededBy }) => record !== undefined && isNeededBy(record))
  return needed.map(({ variable }) => variable)
}

export function writeConditions(out: ConfWriter, records: readonly ActionRecord[]): void {
  for (const { isNeededBy, write } of CONDITIONS) {
    if (write !== undefined && records.some(isNeededBy)) {
      write(out)
    }
  }
}

export interface ActingPlace {
  /** The gate's. */
  host: string
  /** The folder of `headers.conf`. */
  includes: string
}

/** What stands in the location of a gate beside that which is the same for all. */
export function writeAction(
  out: ConfWriter,
  record: ActionRecord | undefined,
  { host, includes }: ActingPlace,
): void {
  const action = record?.action ?? {}
  const isChanged = action.upstreamHost !== undefined || action.requestHeaders !== undefined
  // A request that the lane gave up begins anew, as it came.
  const after = record === undefined ? '$sluice_after' : '$sluice_changed_after'
  out.directive('error_page', plain('502'), plain('='), plain(after))
  out.directive('proxy_buffering', plain(action.buffering === true ? 'on' : 'off'))
  out.directive('include', quotedWord(`${includes}/${isChanged ? 'changed-' : ''}headers.conf`))
  if (record === undefined) {
    return
  }
  if (addedToAnswers(action.responseHeaders).length > 0) {
    out.directive('include', quotedWord(`${includes}/merged-answers.conf`))
  }
  out.directive('set', plain('$sluice_act_key'), quotedWord(`@${host}/0`))
  if (isChanged) {
    writeSent(out, action)
  }
  writePath(out, record)
  writeLimits(out, action)
  writeAnswered(out, action.responseHeaders)
}

/** Lines behind the Host, as the table's way has them. */
function writeSent(out: ConfWriter, { upstreamHost, requestHeaders = {} }: RouteAction): void {
  const { set, add } = requestHeaders
  const lines = headerLines(set, '\r\n') + headerLines(add, '\r\n')
  out.directive('set', plain('$sluice_act_host'), plain(upstreamHost ?? '$sluice_host'))
  out.directive('set', plain('$sluice_act_headers'), withLineEnds(lines))
  for (const name of editedNames(requestHeaders)) {
    out.directive('proxy_set_header', plain(name), quotedWord(''))
  }
}

/** nginx reads `\r\n` as a line's end. */
function withLineEnds(text: string): Word {
  const lines = text.split('\r\n').map((line) => literal(line).text.slice(1, -1))
  return { text: `"${lines.join('\\r\\n')}"` }
}

function writePath(out: ConfWriter, record: ActionRecord): void {
  const to = newPrefix(record)
  if (to === undefined) {
    return
  }
  const base = to === '/' ? '' : to
  const prefix = record.prefix === '/' ? '' : record.prefix.replace(/[.$()*+]/g, '[$&]')
  // Nothing is left of `/docs` but a path needs a slash.
  const [pattern, target] =
    to === '/' ? [`^${prefix}/?(.*)$`, '/$1'] : [`^${prefix}(.*)$`, `${base}$1`]
  out.directive('rewrite', { text: `"${pattern}"` }, { text: `"${target}"` }, plain('break'))
}

/** As the hop has them where it does the same. */
function writeLimits(out: ConfWriter, { maxBodyBytes, buffering }: RouteAction): void {
  if (maxBodyBytes === undefined && buffering === undefined) {
    return
  }
  out.directive('proxy_buffer_size', plain('64k'))
  out.directive('proxy_buffers', plain('4'), plain('64k'))
  out.directive('proxy_busy_buffers_size', plain('128k'))
  if (maxBodyBytes !== undefined) {
    // Of HTTP/2 and HTTP/3 a body may come without a length.
    out.directive('client_max_body_size', plain(String(maxBodyBytes)))
    out.directive('proxy_request_buffering', plain('on'))
    out.directive('set', plain('$sluice_refusal_mark'), plain(TOO_LARGE))
    out.directive('error_page', plain('413'), plain('='), { text: '@sluice_refused' })
  }
}

function addedToAnswers({ set = {}, add = {} }: HeaderEdits = {}): Array<[string, string]> {
  return [...Object.entries(set), ...Object.entries(add)]
}

function writeAnswered(out: ConfWriter, edits: HeaderEdits = {}): void {
  editedNames(edits).forEach((name) => out.directive('proxy_hide_header', plain(name)))
  for (const [name, value] of addedToAnswers(edits)) {
    out.directive('add_header', plain(name), literal(value), plain('always'))
  }
}
