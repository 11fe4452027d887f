/** Traefik's middlewares of one router → what its route does. Pure. */
import type { Policy } from '../../contract/record/policy.js'
import type { HttpOfferRoute } from './offer.js'

/** `traefik.http.middlewares.<m>.…`: option in lower case → text. */
export type Options = ReadonlyMap<string, string>

export interface Effects {
  /** What the middlewares do to a path. */
  strip: string[]
  add: string
  action: Partial<HttpOfferRoute>
  retry: Policy['retry']
  maxConns: number | undefined
  notes: string[]
}

/** What may be left out without opening what was closed. */
const HARMLESS = ['compress', 'ratelimit', 'buffering', 'circuitbreaker', 'contenttype', 'errors']

function edit(effects: Effects, kind: 'request' | 'response', name: string, value: string): void {
  if (kind === 'request' && name.toLowerCase() === 'host') {
    effects.action.upstreamHost = value
    return
  }
  const key = `${kind}Headers` as const
  const { set, remove = [] } = effects.action[key] ?? {}
  effects.action[key] =
    value === ''
      ? { ...(set && { set }), remove: [...remove, name] }
      : { set: { ...set, [name]: value }, ...(remove.length > 0 && { remove }) }
}

function apply(effects: Effects, option: string, value: string, options: Options): string {
  const [type = '', ...more] = option.split('.')
  const header = /^custom(request|response)headers$/.exec(more[0] ?? '')
  if (option === 'stripprefix.prefixes') {
    effects.strip.push(...value.split(',').map((each) => each.trim().replace(/(.)\/$/, '$1')))
  } else if (option === 'addprefix.prefix') {
    effects.add = value.replace(/\/$/, '')
  } else if (option === 'redirectscheme.scheme' && (value === 'https' || value === 'http')) {
    const port = Number(options.get('redirectscheme.port') || undefined)
    const status = options.get('redirectscheme.permanent') === 'true' ? 301 : 302
    const at = Number.isNaN(port) || port === 443 ? {} : { port }
    effects.action.redirect = { scheme: value, status, ...at }
  } else if (type === 'headers' && header !== null && more.length === 2) {
    edit(effects, header[1] === 'request' ? 'request' : 'response', more[1] ?? '', value)
  } else if (option === 'retry.attempts' && /^\d{1,4}$/.test(value)) {
    const tries = Math.min(8, Math.max(1, Number(value)))
    effects.retry = { tries, timeoutMs: 0, statuses: [], nonIdempotent: false }
  } else if (option === 'inflightreq.amount' && /^\d{1,5}$/.test(value)) {
    effects.maxConns = Number(value)
    effects.notes.push('inflightreq: there for each source of requests, here for each instance')
  } else if (/^(redirectscheme\.(port|permanent)|stripprefix\.forceslash)$/.test(option)) {
    return ''
  } else if (type === 'headers' || type === 'retry' || HARMLESS.includes(type)) {
    effects.notes.push(option)
  } else {
    return `${type.slice(0, 40)} is not done here, and without it the route would do another thing`
  }
  return ''
}

/** What they do; or why the router is refused: what limits who may come is not left out. */
export function readMiddlewares(
  names: readonly string[],
  defined: ReadonlyMap<string, Options>,
): Effects | string {
  const base = { strip: [], add: '', action: {}, retry: undefined, maxConns: undefined, notes: [] }
  const effects: Effects = base
  for (const name of names) {
    const options = defined.get(name.replace(/@docker$/, '').toLowerCase())
    if (options === undefined) {
      return `middleware ${name.slice(0, 64)} is not defined by this container`
    }
    for (const [option, value] of options) {
      const refusal = apply(effects, option, value, options)
      if (refusal !== '') {
        return `middleware ${name.slice(0, 64)}: ${refusal}`
      }
    }
  }
  return effects
}

/** What becomes of the prefix. */
export function rewriteBy({ strip, add }: Effects, pathPrefix: string): Partial<HttpOfferRoute> {
  const taken = strip.find((each) => pathPrefix === each || pathPrefix.startsWith(`${each}/`))
  const left = taken === undefined ? pathPrefix : pathPrefix.slice(taken.length) || '/'
  const to = add === '' ? left : left === '/' ? add : add + left
  if (to === pathPrefix) {
    return {}
  }
  return { rewrite: to === '/' ? { stripPrefix: true } : { replacePrefix: to } }
}
