/** Traefik's rules → hosts, paths and conditions of routes; or why a rule has none. Pure. */
import { spellHost } from '../../contract/record/route-match.js'
import type { Match } from '../../contract/record/route-match.js'

interface Matcher {
  name: string
  values: string[]
}

export interface ParsedRule {
  /** One of them must hold: what `||` joins. */
  matches: Match[]
  /** What Sluice matches otherwise, for people. */
  notes: string[]
}

const TOKEN = /\s*(&&|\|\||[()!]|[A-Za-z]+\s*\((?:\s*(?:`[^`]*`|"[^"]*")\s*,?)+\s*\))/y
const MOST_MATCHES = 128
const LONGEST = 4096

function tokensOf(rule: string): string[] {
  const tokens: string[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < rule.length) {
    const at = TOKEN.lastIndex
    const token = TOKEN.exec(rule)?.[1]
    if (token === undefined) {
      if (rule.slice(at).trim() === '') {
        return tokens
      }
      throw new Error(`${JSON.stringify(rule.slice(at, at + 40))} is not understood`)
    }
    tokens.push(token)
  }
  return tokens
}

function matcherOf(token: string): Matcher {
  const name = /^[A-Za-z]+/.exec(token)?.[0].toLowerCase() ?? ''
  const values = [...token.matchAll(/`([^`]*)`|"([^"]*)"/g)].map((each) => each[1] ?? each[2] ?? '')
  return { name, values }
}

/** `&&` binds closer; each list is joined by it, and the lists by `||`. */
function parseOr(tokens: string[], depth: number): Matcher[][] {
  let found = parseAnd(tokens, depth)
  while (tokens[0] === '||') {
    tokens.shift()
    found = [...found, ...parseAnd(tokens, depth)]
  }
  return found
}

function parseAnd(tokens: string[], depth: number): Matcher[][] {
  let found = parseOne(tokens, depth)
  while (tokens[0] === '&&') {
    tokens.shift()
    const right = parseOne(tokens, depth)
    found = found.flatMap((left) => right.map((each) => [...left, ...each]))
    if (found.length > MOST_MATCHES) {
      throw new Error(`it means more than ${MOST_MATCHES} routes`)
    }
  }
  return found
}

function parseOne(tokens: string[], depth: number): Matcher[][] {
  const token = tokens.shift() ?? ''
  if (token === '(' && depth < 16) {
    const inner = parseOr(tokens, depth + 1)
    if (tokens.shift() !== ')') {
      throw new Error('a ) is missing')
    }
    return inner
  }
  if (token === '' || /^[^A-Za-z]/.test(token)) {
    throw new Error(`${token === '' ? 'its end' : token} is not understood there`)
  }
  const { name, values } = matcherOf(token)
  const isList = ['host', 'pathprefix', 'path', 'method'].includes(name)
  // Version 2 has several values, each of which will do. Methods may all stand in one route.
  return isList && name !== 'method'
    ? values.map((value) => [{ name, values: [value] }])
    : [[{ name, values }]]
}

function pathOf(value: string): string {
  return value.length > 1 ? value.replace(/\/$/, '') : value
}

/** Several of one kind in one route could not all hold. */
function set<K extends keyof Match>(match: Partial<Match>, key: K, value: Match[K]): void {
  if (match[key] !== undefined) {
    throw new Error(`${key} is asked for twice in one`)
  }
  match[key] = value
}

function addMatcher(match: Partial<Match>, { name, values }: Matcher, notes: Set<string>): void {
  const [first = '', second] = values
  if (name === 'host') {
    set(match, 'hosts', spellHost(first))
  } else if (name === 'pathprefix' || name === 'path') {
    set(match, 'pathPrefix', pathOf(first))
    if (name === 'path') {
      notes.add(`Path(${first}): here it leads what is below it, too`)
    } else if (first !== '/' && !first.endsWith('/')) {
      notes.add(`PathPrefix(${first}): there also ${first}-x, here whole segments`)
    }
  } else if (name === 'method') {
    set(
      match,
      'methods',
      values.map((value) => value.toUpperCase()),
    )
  } else if (name === 'header' || name === 'headers') {
    match.headers = { ...match.headers, [first.toLowerCase()]: second ?? true }
  } else if (name === 'query') {
    const [argument = '', value] = second === undefined ? first.split(/=(.*)/) : [first, second]
    match.arguments = { ...match.arguments, [argument]: value ?? true }
  } else {
    throw new Error(`${name} is no matcher of Sluice's`)
  }
}

/** The routes of a rule, or why it has none. */
export function parseRule(rule: string): ParsedRule | string {
  try {
    if (rule.length > LONGEST) {
      throw new Error('it is too long')
    }
    const tokens = tokensOf(rule)
    const lists = parseOr(tokens, 0)
    if (tokens.length > 0) {
      throw new Error(`${tokens[0]} is not understood there`)
    }
    const notes = new Set<string>()
    const matches = lists.map((list) => {
      const match: Partial<Match> = {}
      list.forEach((matcher) => addMatcher(match, matcher, notes))
      if (match.hosts === undefined) {
        throw new Error('it names no Host, and every host is for operators alone')
      }
      return { hosts: match.hosts, pathPrefix: '/', ...match }
    })
    return { matches, notes: [...notes] }
  } catch (error) {
    return error instanceof Error ? error.message : 'it is not understood'
  }
}
