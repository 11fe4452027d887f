/**
 * What a setting's text may be. Flags, environment and file all bring text; one parser each decides
 * what it means.
 */
import { isAbsolute, resolve } from 'node:path'
import { parseIp, printAddress, printIp } from '../../contract/guard/address.js'
import { isHost, isName, isWhole } from '../../contract/guard/names.js'
import { portsIn, printPorts } from '../../contract/guard/ports.js'
import { readIfThereSync } from '../whole-file.js'
import { parseDuration, printDuration } from '../duration.js'

export interface SettingKind<T> {
  /** For the error: "expected …". */
  expected: string
  /** undefined when the text is not one. Relative paths are taken from `base`. */
  parse(text: string, base: string): T | undefined
  /** The inverse: text that parses to the same value. */
  print(value: T): string
}

/** Anything but nothing and control characters. */
export const TEXT: SettingKind<string> = {
  expected: 'a text',
  parse: (text) => (text !== '' && !/\p{Cc}/u.test(text) ? text : undefined),
  print: (value) => value,
}

/** An absolute path without characters that nginx's configuration would read as something else. */
export const PATH: SettingKind<string> = {
  expected: 'a path without spaces, quotes, ;, {, }, $ or #',
  parse: (text, base) => {
    const path = isAbsolute(text) ? resolve(text) : resolve(base, text)
    return text !== '' && !/[\s"';{}$#\\\p{Cc}]/u.test(path) ? path : undefined
  },
  print: (value) => value,
}

/** A name in the first column of a file such as /etc/passwd, or an id: parses to the id. */
function account(path: string, what: string): SettingKind<number> {
  return {
    expected: `the name or the number of a ${what} of this machine`,
    parse: (text) => {
      if (/^\d{1,9}$/.test(text)) {
        return Number(text)
      }
      const lines = (readIfThereSync(path) ?? '').split('\n').map((line) => line.split(':'))
      const id = lines.find(([name]) => name === text)?.[2]
      return id === undefined ? undefined : Number(id)
    },
    print: String,
  }
}

export const USER = account('/etc/passwd', 'user')

/** The name of an account, which need not be one of this machine. */
export const ACCOUNT = pattern('the name of an account', /^[A-Za-z_][\w.-]{0,31}$/)
export const GROUP = account('/etc/group', 'group')

/** `0640` */
export const PERMISSIONS: SettingKind<number> = {
  expected: 'permissions in octal, such as 0640',
  parse: (text) => (/^0?[0-7]{3}$/.test(text) ? parseInt(text, 8) : undefined),
  print: (value) => `0${value.toString(8).padStart(3, '0')}`,
}

/** A path, or a bare name, which is looked for where a shell would. */
export const EXECUTABLE: SettingKind<string> = {
  ...PATH,
  expected: 'a program: its path, or its name when it is on the PATH',
  parse: (text, base) => (/^[\w.-]+$/.test(text) ? text : PATH.parse(text, base)),
}

export const NAME: SettingKind<string> = {
  expected: 'a name: lower-case letters, digits and -, at most 63',
  parse: (text) => (isName(text) ? text : undefined),
  print: (value) => value,
}

export const HOST_NAME: SettingKind<string> = {
  expected: 'a host name such as sluice or dc1.consul, in lower case',
  parse: (text) => (isHost(text) ? text : undefined),
  print: (value) => value,
}

/** `a.example,b.example`, or `off` for none. */
export const DOMAINS: SettingKind<string[]> = {
  expected: 'host names such as localhost or a.example,b.example, or off',
  parse: (text) => {
    const names = text === 'off' ? [] : text.split(',').map((name) => name.trim())
    return names.every(isHost) ? [...new Set(names)] : undefined
  },
  print: (value) => (value.length === 0 ? 'off' : value.join(',')),
}

export const ADDRESS: SettingKind<string> = {
  expected: 'an IP address such as 127.0.0.1',
  parse: (text) => {
    const bytes = parseIp(text)
    return bytes === null ? undefined : printIp(bytes)
  },
  print: (value) => value,
}

/** No object, which would know `toString` too. */
const SPELLINGS = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
])

export const BOOLEAN: SettingKind<boolean> = {
  expected: 'true or false',
  parse: (text) => SPELLINGS.get(text),
  print: String,
}

export function wholeNumber(least: number, most: number): SettingKind<number> {
  return {
    expected: `a whole number from ${least} to ${most}`,
    parse: (text) => {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN
      return value >= least && value <= most ? value : undefined
    },
    print: String,
  }
}

export const PORT = wholeNumber(1, 65535)

const MOST_PORTS = 1000

/** Ports for routes: `9100-9104,9106` → `9100-9104 9106`, `off` → ''. */
export const PORTS: SettingKind<string> = {
  expected: `ports such as 9100-9109 or 9100-9104,9200, at most ${MOST_PORTS}, or off`,
  parse: (text) => {
    if (text === 'off') {
      return ''
    }
    if (!/^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/.test(text)) {
      return undefined
    }
    const ports = [...new Set(portsIn(text.replaceAll(',', ' ')))].sort((a, b) => a - b)
    const fits = ports.length > 0 && ports.length <= MOST_PORTS && ports.every(isPort)
    return fits ? printPorts(ports) : undefined
  },
  print: (value) => (value === '' ? 'off' : value.replaceAll(' ', ',')),
}

/** `10.0.0.0/8`, in the one spelling; undefined where it is none, or has bits beyond its prefix. */
function networkOf(text: string): string | undefined {
  const [address = '', length, ...more] = text.split('/')
  const bytes = parseIp(address)
  // One that IPv6 writes and that is IPv4 has a prefix of which nobody knows how it counts.
  if (bytes === null || more.length > 0 || (bytes.length === 4) === address.includes(':')) {
    return undefined
  }
  const most = bytes.length * 8
  const bits = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : NaN
  const isBeyond = (byte: number, i: number) =>
    byte % 2 ** Math.min(8, Math.max(0, 8 * i + 8 - bits)) !== 0
  return bits <= most && !bytes.some(isBeyond) ? `${printIp(bytes)}/${bits}` : undefined
}

export const NETWORKS: SettingKind<string[]> = {
  expected:
    'addresses and networks such as 192.0.2.7,10.0.0.0/8, whose bits beyond the prefix are 0',
  parse: (text) => {
    const networks = text.split(',').map((each) => networkOf(each.trim()))
    const known = networks.filter((each) => each !== undefined)
    return known.length === networks.length ? [...new Set(known)] : undefined
  },
  print: (value) => value.join(','),
}

/** `10.0.0.2,10.0.0.3:5353,[fd00::2]:53`: addresses of DNS, port 53 where none is given. */
export const SERVERS: SettingKind<Array<{ host: string; port: number }>> = {
  expected: 'addresses of DNS such as 10.0.0.2,10.0.0.3:5353,[fd00::2]:53, with commas between',
  parse: (text) => {
    const servers = text.split(',').map((each) => serverOf(each.trim()))
    const known = servers.filter((each) => each !== undefined)
    return known.length === servers.length ? known : undefined
  },
  print: (value) => value.map(({ host, port }) => printAddress(host, port)).join(','),
}

function serverOf(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, port = '53'] =
    /^(?:\[([\da-f:.]+)\]|([\d.]+))(?::(\d{1,5}))?$/i.exec(text) ?? []
  const bytes = parseIp(bracketed ?? plain ?? text)
  const isPort = isWhole(Number(port), 1, 65535)
  return bytes === null || !isPort ? undefined : { host: printIp(bytes), port: Number(port) }
}

/** Names, in which `*` stands for anything: `*.shop.example,app-*`. */
export const PATTERNS: SettingKind<string[]> = {
  expected: 'names with * for anything, such as *.shop.example or app-*, with commas between',
  parse: (text) => {
    const patterns = text.split(',').map((pattern) => pattern.trim())
    const isPattern = (pattern: string) => /^[a-z0-9*._-]{1,253}$/.test(pattern)
    return patterns.every(isPattern) ? [...new Set(patterns)] : undefined
  },
  print: (value) => value.join(','),
}

/** Names that a container engine gives, with commas between: `app_net,web.internal`. */
export const NETWORK_NAMES: SettingKind<string[]> = {
  expected: 'names of networks such as app_net, with commas between',
  parse: (text) => {
    const names = text.split(',').map((name) => name.trim())
    const isName = (name: string) => /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(name)
    return names.every(isName) ? [...new Set(names)] : undefined
  },
  print: (value) => value.join(','),
}

function isPort(port: number): boolean {
  return isWhole(port, 1, 65535)
}

const DIALECTS = ['sluice', 'registrator', 'nginx-proxy', 'traefik', 'angie'] as const

/** Whose labels are read. */
export type LabelDialect = (typeof DIALECTS)[number]

export const LABEL_DIALECTS: SettingKind<LabelDialect[]> = {
  expected: `some of ${DIALECTS.join(', ')}, with commas between`,
  parse: (text) => {
    const names = text.split(',').map((name) => name.trim())
    const known = names.flatMap((name) => DIALECTS.find((each) => each === name) ?? [])
    return known.length === names.length ? [...new Set(known)] : undefined
  },
  print: (value) => value.join(','),
}

/** Names of ports: `web=8080,pg=9100`. */
export const ENTRYPOINTS: SettingKind<Record<string, number>> = {
  expected: 'names and ports such as web=8080,pg=9100, with commas between',
  parse: (text) => {
    const pairs = text.split(',').map((pair) => /^\s*([\w-]{1,64})=(\d{1,5})\s*$/.exec(pair))
    const ports = pairs.map((pair): [string, number] => [pair?.[1] ?? '', Number(pair?.[2])])
    return ports.every(([, port]) => isPort(port)) ? Object.fromEntries(ports) : undefined
  },
  print: (value) =>
    Object.entries(value)
      .map((pair) => pair.join('='))
      .join(','),
}

export function choice<const T extends string>(...choices: T[]): SettingKind<T> {
  return {
    expected: choices.join(' or '),
    parse: (text) => choices.find((each) => each === text),
    print: (value) => value,
  }
}

export function pattern(expected: string, regex: RegExp): SettingKind<string> {
  return {
    expected,
    parse: (text) => (regex.test(text) ? text : undefined),
    print: (value) => value,
  }
}

const UNIT_BYTES: Record<string, number> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/** `64m`: bytes, or with k, m or g. */
export function size(leastBytes: number, mostBytes: number): SettingKind<number> {
  return {
    expected: `a size such as 64m, from ${printSize(leastBytes)} to ${printSize(mostBytes)}`,
    parse: (text) => {
      const match = /^(\d{1,12})([kmg]?)$/.exec(text.toLowerCase())
      const bytes = match === null ? NaN : Number(match[1]) * (UNIT_BYTES[match[2] ?? ''] ?? NaN)
      return bytes >= leastBytes && bytes <= mostBytes ? bytes : undefined
    },
    print: printSize,
  }
}

function printSize(bytes: number): string {
  const isWhole = (unit: string): boolean => bytes % (UNIT_BYTES[unit] ?? NaN) === 0
  const unit = bytes === 0 ? '' : (['g', 'm', 'k'].find(isWhole) ?? '')
  return `${bytes / (UNIT_BYTES[unit] ?? 1)}${unit}`
}

/** `15s`: milliseconds, from a number with ms, s, m or h. */
export function duration(leastMs: number, mostMs: number): SettingKind<number> {
  return {
    expected: `a duration such as 15s, from ${printDuration(leastMs)} to ${printDuration(mostMs)}`,
    parse: (text) => {
      const ms = parseDuration(text)
      return ms !== undefined && ms >= leastMs && ms <= mostMs ? ms : undefined
    },
    print: printDuration,
  }
}
