/**
 * Which requests a route is for: hosts, a path prefix, and conditions on the rest of the request.
 */
import { isObject, isText, right, fieldIn, wrong } from '../guard/guarded.js'
import type { Guarded, Fields } from '../guard/guarded.js'
import { isHostPattern, isPathPrefix } from '../guard/names.js'

/**
 * By name in lower case, as nginx compares them: an exact value, or `true` where any value but ''
 * will do.
 */
type ValueConditions = Record<string, string | true>

/** All of them must hold. */
export interface Conditional {
  methods?: string[]
  headers?: ValueConditions
  cookies?: ValueConditions
  arguments?: ValueConditions
}

export interface Match extends Conditional {
  hosts: string[]
  pathPrefix: string
}

export const CONDITION_FIELDS = ['methods', 'headers', 'cookies', 'arguments']
export const MATCH_FIELDS = ['hosts', 'pathPrefix'].concat(CONDITION_FIELDS)

const MOST_HOSTS = 256
const MOST_METHODS = 16
const MOST_CONDITIONS = 16
const HOST_RULE =
  'must be a host name such as app.example.com, or one with a wildcard for whole labels at one end: ' +
  '*.example.com, .example.com (both of these), www.example.*; or * for any host. ' +
  'Letters beyond ASCII are written as DNS has them: xn--…'

/** What the front says in its own words to the hop, which asks the same conditions again. */
const SET_BY_GATEWAY =
  /^(host|connection|keep-alive|te|trailer|transfer-encoding|content-length|expect|proxy|x-real-ip|x-forwarded-(for|proto|host|port)|x-sluice-.*)$/

interface Kind {
  field: 'headers' | 'cookies' | 'arguments'
  /** What nginx's variable begins with. */
  variable: string
  name: RegExp
  nameRule: string
  value: RegExp
  valueRule: string
}

/** `__proto__` would be lost: an object's field of that name is not its own. */
const KINDS: Kind[] = [
  {
    field: 'headers',
    variable: 'http_',
    name: /^[a-z0-9-]{1,64}$/,
    nameRule: 'is no header name: letters, digits and -',
    value: /^[!-~]([ -~]{0,254}[!-~])?$/,
    valueRule: 'must be true, or 1 to 256 printable ASCII characters without spaces at the ends',
  },
  {
    field: 'cookies',
    variable: 'cookie_',
    name: /^(?!__proto__$)[a-z0-9_-]{1,64}$/,
    nameRule: 'is no cookie name: letters, digits, - and _',
    value: /^[!#-+\--:<-[\]-~]{1,256}$/,
    valueRule: 'must be true, or 1 to 256 characters that a cookie may have',
  },
  {
    field: 'arguments',
    variable: 'arg_',
    name: /^(?!__proto__$)[a-z0-9_.-]{1,64}$/,
    nameRule: 'is no argument name: letters, digits, - . and _',
    value: /^[A-Za-z0-9._~-]{1,256}$/,
    valueRule:
      'must be true, or 1 to 256 of the characters that need no encoding: A-Z a-z 0-9 - . _ ~',
  },
]

/** As nginx prints it. `.example.com` is two hosts. */
export function spellHost(host: string): string[] {
  const plain = host.toLowerCase().replace(/([^*])\.$/, '$1')
  return plain.charAt(0) === '.' ? [plain.slice(1), '*' + plain] : [plain]
}

function guardHosts(value: unknown): Guarded<string[]> {
  if (!Array.isArray(value) || value.length < 1 || value.length > MOST_HOSTS) {
    return wrong('hosts', 'must be a list of 1 to ' + MOST_HOSTS + ' host names')
  }
  const hosts: string[] = []
  for (let i = 0; i < value.length; i++) {
    const host: unknown = value[i]
    const spelled = typeof host === 'string' ? spellHost(host) : []
    if (spelled.length === 0 || !spelled.every(isHostPattern)) {
      return wrong('hosts[' + i + ']', HOST_RULE)
    }
    if (spelled.some((each) => hosts.indexOf(each) >= 0)) {
      return wrong('hosts[' + i + ']', 'is named twice')
    }
    spelled.forEach((each) => hosts.push(each))
  }
  return right(hosts)
}

function guardMethods(value: unknown): Guarded<string[]> {
  if (!Array.isArray(value) || value.length < 1 || value.length > MOST_METHODS) {
    return wrong('methods', 'must be a list of 1 to ' + MOST_METHODS + ' methods')
  }
  for (let i = 0; i < value.length; i++) {
    const method: unknown = value[i]
    if (typeof method !== 'string' || !/^[A-Z][A-Z_-]{0,31}$/.test(method)) {
      return wrong('methods[' + i + ']', 'must be a method such as GET, in capital letters')
    }
    if (value.indexOf(method) !== i) {
      return wrong('methods[' + i + ']', 'is named twice')
    }
  }
  return right(value.slice().sort() as string[])
}

function guardOne(kind: Kind, name: string, value: unknown): string {
  if (!kind.name.test(name)) {
    return kind.nameRule
  }
  if (kind.field === 'headers' && SET_BY_GATEWAY.test(name)) {
    return 'is set by the gateway itself and cannot be a condition'
  }
  const fits = value === true || (isText(value, 256) && kind.value.test(value))
  return fits ? '' : kind.valueRule
}

function guardValues(kind: Kind, value: unknown): Guarded<ValueConditions> {
  const names = isObject(value) ? Object.keys(value) : []
  if (names.length < 1 || names.length > MOST_CONDITIONS) {
    return wrong(kind.field, 'must be an object of 1 to ' + MOST_CONDITIONS + ' names and values')
  }
  const found: ValueConditions = {}
  for (let i = 0; i < names.length; i++) {
    const said = names[i] as string
    const name = said.toLowerCase()
    const one = (value as Fields)[said]
    const twice = Object.prototype.hasOwnProperty.call(found, name) ? 'is named twice' : ''
    const problem = guardOne(kind, name, one) || twice
    if (problem !== '') {
      return wrong(fieldIn(kind.field, said.slice(0, 64)), problem)
    }
    found[name] = one as string | true
  }
  return right(found)
}

/** The conditions in `fields`, which may have others beside. */
export function guardConditions(fields: Fields): Guarded<Conditional> {
  const conditions: Conditional = {}
  if (fields.methods !== undefined) {
    const methods = guardMethods(fields.methods)
    if (!methods.ok) {
      return methods
    }
    conditions.methods = methods.value
  }
  for (let i = 0; i < KINDS.length; i++) {
    const kind = KINDS[i] as Kind
    if (fields[kind.field] !== undefined) {
      const values = guardValues(kind, fields[kind.field])
      if (!values.ok) {
        return values
      }
      conditions[kind.field] = values.value
    }
  }
  return right(conditions)
}

/** `pathPrefix` is `/` when left out. */
export function guardMatch(fields: Fields): Guarded<Match> {
  const hosts = guardHosts(fields.hosts)
  if (!hosts.ok) {
    return hosts
  }
  const prefix = fields.pathPrefix === undefined ? '/' : fields.pathPrefix
  if (!isPathPrefix(prefix)) {
    return wrong(
      'pathPrefix',
      'must be / or a path such as /api, in ASCII, without % and without a trailing /, of at most 255 characters',
    )
  }
  const conditions = guardConditions(fields)
  return conditions.ok
    ? right(Object.assign({ hosts: hosts.value, pathPrefix: prefix }, conditions.value))
    : conditions
}

/**
 * The conditions as the table has them (contract/table/route-condition.ts), in one order and with
 * tabs between them; '' for none. Equal texts mean equal conditions.
 */
export function printConditions(conditional: Conditional): string {
  const parts: string[] = []
  if (conditional.methods !== undefined) {
    parts.push('request_method=' + conditional.methods.join(' '))
  }
  KINDS.forEach((kind) => {
    const values = conditional[kind.field]
    Object.keys(values === undefined ? {} : values)
      .sort()
      .forEach((name) => {
        const value = (values as ValueConditions)[name] as string | true
        const variable = kind.variable + (kind.field === 'headers' ? name.replace(/-/g, '_') : name)
        parts.push(value === true ? variable : variable + '=' + value)
      })
  })
  return parts.join('\t')
}
