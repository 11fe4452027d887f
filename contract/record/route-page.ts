/** Pages of the user's own: while a route is under maintenance, and in place of errors. */
import {
  brokenRule,
  guardShape,
  isObject,
  isText,
  isWholeText,
  right,
  fieldIn,
  wrong,
} from '../guard/guarded.js'
import type { Guarded, FieldRule, Fields } from '../guard/guarded.js'
import { isWhole } from '../guard/names.js'

export interface Page {
  status: number
  contentType: string
  body: string
}

/** `intercept`: it also replaces the upstream's own answers of its status. */
export interface ErrorPage extends Page {
  intercept?: boolean
}

/** By the status that they replace: `404`. */
export interface ErrorPages {
  [status: string]: ErrorPage
}

const MOST_BODY_LENGTH = 16384
const DEFAULT_TYPE = 'text/html; charset=utf-8'
/** What Sluice itself answers in place of an upstream (contract/codes.ts). */
const OWN_STATUSES = ['404', '411', '413', '502', '503', '504']

/** May hold line ends, unlike a header's. */
function isBody(value: unknown): boolean {
  return isWholeText(value, MOST_BODY_LENGTH)
}

function isContentType(value: unknown): boolean {
  return isText(value, 128) && /^[\w.+-]+\/[\w.+-]+(; ?[\w-]+=[\w."-]+)*$/.test(value)
}

function isPageStatus(value: unknown): boolean {
  return isWhole(value, 200, 200) || isWhole(value, 400, 599)
}

const PAGE_RULES: FieldRule[] = [
  ['status', isPageStatus, 'must be 200 or from 400 to 599'],
  ['contentType', isContentType, 'must be a media type such as text/html; charset=utf-8'],
  ['body', isBody, 'must be a text of at most ' + MOST_BODY_LENGTH + ' characters'],
]
const ERROR_RULES = PAGE_RULES.concat([
  ['intercept', (value) => typeof value === 'boolean', 'must be true or false'],
])

function guardPage(value: unknown, rules: FieldRule[], status: number): Guarded<Fields> {
  const shape = guardShape(
    value,
    rules.map((rule) => rule[0]),
  )
  if (!shape.ok) {
    return shape
  }
  const broken = brokenRule(shape.value, rules, [])
  return broken === undefined
    ? right(Object.assign({ status: status, contentType: DEFAULT_TYPE, body: '' }, shape.value))
    : wrong(broken[0], broken[2])
}

export function guardMaintenance(value: unknown): Guarded<unknown> {
  return guardPage(value, PAGE_RULES, 503)
}

function guardErrorPage(status: string, value: unknown): Guarded<unknown> {
  if (!/^[45]\d\d$/.test(status)) {
    return wrong('', 'must stand under a status from 400 to 599')
  }
  const page = guardPage(value, ERROR_RULES, Number(status))
  if (page.ok && page.value.intercept !== true && OWN_STATUSES.indexOf(status) < 0) {
    const own = 'Sluice itself answers ' + OWN_STATUSES.join(', ')
    return wrong('intercept', 'must be true: ' + own + '; other statuses are the upstream’s')
  }
  return page
}

/** `{"503": {body: "<p>Soon"}}`; the page's own status is the same unless it names another. */
export function guardErrorPages(value: unknown): Guarded<unknown> {
  if (!isObject(value)) {
    return wrong('', 'must be an object of statuses and pages')
  }
  const pages: Fields = {}
  const statuses = Object.keys(value)
  for (let i = 0; i < statuses.length; i++) {
    const status = statuses[i] as string
    const page = guardErrorPage(status, value[status])
    if (!page.ok) {
      return wrong(fieldIn(status, page.field), page.message)
    }
    pages[status] = page.value
  }
  return statuses.length === 0 ? wrong('', 'must hold a page') : right(pages)
}
