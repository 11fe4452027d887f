/**
 * IP literals, by bytes. Addresses from outside are parsed here and printed again from their bytes,
 * so that no second spelling of an address (`::ffff:127.0.0.1`, `127.1`, `0x7f.1`, a zone id) slips
 * past the address policy.
 */

/** 4 or 16 bytes, network order. An IPv4-mapped or NAT64 IPv6 address is folded to its 4 bytes. */
export type IpBytes = number[]

/**
 * What the policy allows beyond the default (which is: unicast, not loopback, not link-local, not
 * cloud metadata).
 */
export interface AddressPolicy {
  allowLoopback: boolean
}

function parseIpv4(text: string): IpBytes | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (match === null) {
    return null
  }
  const bytes = match.slice(1, 5).map(Number)
  const plain = bytes.join('.') === text
  return plain && bytes.every((byte) => byte <= 255) ? bytes : null
}

function parseGroups(text: string): number[] | null {
  if (text === '') {
    return []
  }
  const groups = text.split(':')
  return groups.every((group) => /^[0-9a-f]{1,4}$/.test(group))
    ? groups.map((group) => parseInt(group, 16))
    : null
}

function embeddedIpv4ToGroups(text: string): string | null {
  const at = text.lastIndexOf(':')
  if (text.indexOf('.') < 0) {
    return text
  }
  const v4 = parseIpv4(text.slice(at + 1))
  if (v4 === null) {
    return null
  }
  const pair = (i: number) => ((v4[i] as number) * 256 + (v4[i + 1] as number)).toString(16)
  return text.slice(0, at + 1) + pair(0) + ':' + pair(2)
}

function parseIpv6(text: string): IpBytes | null {
  const plain = embeddedIpv4ToGroups(text.toLowerCase())
  if (plain === null) {
    return null
  }
  const halves = plain.split('::')
  if (halves.length > 2) {
    return null
  }
  const head = parseGroups(halves[0] as string)
  const tail = halves.length === 2 ? parseGroups(halves[1] as string) : []
  if (head === null || tail === null) {
    return null
  }
  const missing = 8 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) {
    return null
  }
  const groups = head.concat(new Array<number>(missing).fill(0), tail)
  const bytes: number[] = []
  groups.forEach((group) => bytes.push(group >> 8, group & 255))
  return bytes
}

function startsWith(bytes: IpBytes, prefix: number[]): boolean {
  return prefix.every((byte, i) => bytes[i] === byte)
}

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]
const NAT64 = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]

/** The bytes of an IP literal, or null when `text` is not exactly one. */
export function parseIp(text: string): IpBytes | null {
  if (text.indexOf(':') < 0) {
    return parseIpv4(text)
  }
  const bytes = parseIpv6(text)
  if (bytes === null) {
    return null
  }
  return startsWith(bytes, MAPPED) || startsWith(bytes, NAT64) ? bytes.slice(12) : bytes
}

function longestZeroRun(groups: number[]): { at: number; length: number } {
  let best = { at: -1, length: 1 }
  let start = -1
  for (let i = 0; i <= groups.length; i++) {
    if (i < groups.length && groups[i] === 0) {
      start = start < 0 ? i : start
    } else if (start >= 0) {
      best = i - start > best.length ? { at: start, length: i - start } : best
      start = -1
    }
  }
  return best
}

/** `10.0.0.7` or `fd00::7`, in the one spelling Sluice uses (RFC 5952 for IPv6). */
export function printIp(bytes: IpBytes): string {
  if (bytes.length === 4) {
    return bytes.join('.')
  }
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) {
    groups.push((bytes[i] as number) * 256 + (bytes[i + 1] as number))
  }
  const run = longestZeroRun(groups)
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(':')
  return run.at < 0
    ? text(groups)
    : text(groups.slice(0, run.at)) + '::' + text(groups.slice(run.at + run.length))
}

/** `10.0.0.7`, `[fd00::7]` or `web.internal`: a host as it stands before a port, or in a URL. */
export function printHost(host: string): string {
  return host.indexOf(':') < 0 ? host : '[' + host + ']'
}

/** `10.0.0.7:80` or `[fd00::7]:80`: how nginx prints a peer, and what its SID is the md5 of. */
export function printAddress(host: string, port: number): string {
  return printHost(host) + ':' + port
}

/** Whether it is this machine's own: what is said there, nobody else reads. */
export function isLoopback(address: string): boolean {
  return /^(::ffff:)?127\.|^::1$|^localhost$/.test(address)
}

/** Where clouds answer with credentials: of Alibaba, Azure and Oracle. */
const METADATA_IPV4 = ['100.100.100.200', '168.63.129.16', '192.0.0.192']
/** Of Amazon and Google. */
const METADATA_IPV6 = ['fd00:ec2::254', 'fd20:ce::254']
/** 64:ff9b:1::/48: IPv4 in a form that each network decides for itself. */
const LOCAL_NAT64 = [0, 0x64, 0xff, 0x9b, 0, 1]
/** 2002::/16: an IPv4 address stands behind it. */
const SIX_TO_FOUR = [0x20, 2]
/** ::/96 and ::ffff:0:0:0/96: as IPv4 was written before, and for translators. */
const COMPATIBLE = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
const TRANSLATED = [0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0]

function refuseIpv4(bytes: IpBytes, policy: AddressPolicy): string | null {
  const first = bytes[0] as number
  if (first === 127) {
    return policy.allowLoopback ? null : 'a loopback address (setting allowLoopback)'
  }
  if (first === 0) {
    return 'an unspecified address'
  }
  if (startsWith(bytes, [169, 254]) || METADATA_IPV4.indexOf(bytes.join('.')) >= 0) {
    return 'a link-local or cloud metadata address'
  }
  return first >= 224 ? 'a multicast, reserved or broadcast address' : null
}

function refuseIpv6(bytes: IpBytes, policy: AddressPolicy): string | null {
  const high = bytes.slice(0, 15).every((byte) => byte === 0)
  if (high && bytes[15] === 1) {
    return policy.allowLoopback ? null : 'a loopback address (setting allowLoopback)'
  }
  if (high && bytes[15] === 0) {
    return 'an unspecified address'
  }
  const linkLocal = bytes[0] === 0xfe && ((bytes[1] as number) & 0xc0) === 0x80
  if (linkLocal || METADATA_IPV6.indexOf(printIp(bytes)) >= 0) {
    return 'a link-local or cloud metadata address'
  }
  if (startsWith(bytes, LOCAL_NAT64)) {
    return 'an IPv4 address translated by the network'
  }
  if (startsWith(bytes, COMPATIBLE) || startsWith(bytes, TRANSLATED)) {
    return refuseIpv4(bytes.slice(12), policy)
  }
  if (startsWith(bytes, SIX_TO_FOUR)) {
    return refuseIpv4(bytes.slice(2, 6), policy)
  }
  return bytes[0] === 0xff ? 'a multicast address' : null
}

/**
 * Why the policy refuses this address ("an unspecified address"), or null when traffic may go
 * there.
 */
export function refuseIp(bytes: IpBytes, policy: AddressPolicy): string | null {
  return bytes.length === 4 ? refuseIpv4(bytes, policy) : refuseIpv6(bytes, policy)
}
