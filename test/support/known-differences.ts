/** Where nginx alone, or the fallback, differs from the table: what docs/limits.md names. */
import type { DrawnRequest } from './generated-routes.js'

export type Way = 'compiled' | 'fallback'

/** What a request came to, by one of the ways. */
export interface Outcome {
  saw: { line: string; headers: string[]; body: string; by: string }[]
  /** Status line, header lines and body. */
  got: string[]
}

interface Known {
  way: Way
  /** As docs/limits.md has it. */
  words: string
  fits(request: DrawnRequest, is: Outcome, should: Outcome): boolean
}

const CONDITIONS = ['methods', 'headers', 'cookies', 'arguments']

function statusOf({ got }: Outcome): number {
  return Number(got[0]?.slice(9, 12))
}

/** Whether a route of the table has such a part. */
function has({ table }: DrawnRequest, part: RegExp): boolean {
  return Object.values(table.routes).some((route) => part.test(JSON.stringify(route)))
}

function withoutLines({ saw, got }: Outcome): string {
  return JSON.stringify([saw.map(({ line, ...rest }) => [line.split(' ')[0], rest]), got])
}

/** What is left of an outcome without the bytes of headers that are not ASCII. */
function inAscii({ saw, got }: Outcome): string {
  const seen = saw.map(({ headers, ...rest }) => [
    rest,
    headers.map((line) => line.replace(/[^\0-\x7f]+/g, '')),
  ])
  return JSON.stringify([seen, got])
}

function withoutLocation({ saw, got }: Outcome): string {
  return JSON.stringify([saw, got.filter((line) => !line.startsWith('Location: '))])
}

/** X-Tenant is what routes add. */
function withoutTenant({ saw, got }: Outcome): string {
  const seen = saw.map(({ headers, ...rest }) => [
    rest,
    headers.filter((line) => !/^x-tenant:/i.test(line)),
  ])
  return JSON.stringify([seen, got])
}

const REPLACED: Pick<Known, 'words' | 'fits'> = {
  words: 'bytes that are not UTF-8 are replaced in all headers of this request',
  fits: (request, is, should) =>
    has(request, /"requestHeaders"/) && inAscii(is) === inAscii(should),
}

const KNOWN: Known[] = [
  { way: 'compiled', ...REPLACED },
  { way: 'fallback', ...REPLACED },
  {
    way: 'fallback',
    words: 'Neither asks conditions.',
    fits: ({ table }) =>
      Object.values(table.routes).some((route) => CONDITIONS.some((field) => field in route)),
  },
  {
    way: 'fallback',
    words: 'Both refuse in words of nginx itself.',
    fits: (_, is, should) =>
      is.saw.length + should.saw.length === 0 &&
      statusOf(is) >= 400 &&
      statusOf(is) === statusOf(should),
  },
  {
    way: 'fallback',
    words: 'the path and the query are as nginx prints them',
    fits: (request, is, should) =>
      has(request, /"rewrite"/) && is.saw.length === 1 && withoutLines(is) === withoutLines(should),
  },
  {
    way: 'fallback',
    words: 'A header that a route adds to one which the client sent becomes one line with it.',
    fits: (request, is, should) =>
      has(request, /"requestHeaders":\{"add"/) && withoutTenant(is) === withoutTenant(should),
  },
  {
    way: 'fallback',
    words: 'So is what a redirect keeps',
    fits: (request, is, should) =>
      has(request, /"redirect"/) && withoutLocation(is) === withoutLocation(should),
  },
  {
    way: 'fallback',
    words: 'A `replacePrefix` with a `$` in a rewrite',
    fits: (request, is) => has(request, /"replacePrefix":"[^"]*\$/) && statusOf(is) === 503,
  },
  {
    way: 'fallback',
    words: 'A redirect that replaces a prefix finds the prefix only where',
    fits: (request, is, should) =>
      has(request, /"redirect":\{[^}]*"replacePrefix"/) &&
      statusOf(is) === 404 &&
      statusOf(should) === 307,
  },
]

export function knownWords(): string[] {
  return KNOWN.map(({ words }) => words)
}

/** The words for a difference; undefined: it is none that is named. */
export function knownDifference(
  way: Way,
  request: DrawnRequest,
  is: Outcome,
  should: Outcome,
): string | undefined {
  return KNOWN.find((known) => known.way === way && known.fits(request, is, should))?.words
}
