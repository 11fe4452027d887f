/** Whom names are asked for: SLUICE_RESOLVERS, or what the system's resolv.conf has. */
import { parseIp } from '../../contract/guard/address.js'
import { readIfThereSync } from '../../runtime/whole-file.js'

export interface DnsServer {
  host: string
  port: number
}

export interface Resolvers {
  /** In the order in which they are asked; never none. */
  servers: DnsServer[]
  /** Domains that a short name is looked for in. */
  search: string[]
  /** A name with fewer dots is looked for in those first. */
  ndots: number
}

const DNS_PORT = 53
/** As the C library does. */
const MOST_SERVERS = 3
const MOST_DOMAINS = 6
const MOST_NDOTS = 15
const LOCAL: DnsServer = { host: '127.0.0.1', port: DNS_PORT }

/**
 * Read anew for each question, so what the system's file says holds at once. Given servers are
 * asked for names as they are, without search domains.
 */
export function readResolvers(given: readonly DnsServer[], file = '/etc/resolv.conf'): Resolvers {
  if (given.length > 0) {
    return { servers: [...given], search: [], ndots: 1 }
  }
  let text = ''
  try {
    text = readIfThereSync(file) ?? ''
  } catch {
    // As where there is none: the machine itself is asked.
  }
  return parseResolvConf(text)
}

/** The text of a resolv.conf; what it lacks is as resolv.conf(5) says. */
export function parseResolvConf(text: string): Resolvers {
  const resolvers: Resolvers = { servers: [], search: [], ndots: 1 }
  for (const line of text.split('\n')) {
    const [word, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/)
    const [host = ''] = values
    if (word === 'nameserver' && parseIp(host.replace(/%.*$/, '')) !== null) {
      resolvers.servers.push({ host, port: DNS_PORT })
    } else if (word === 'search' || word === 'domain') {
      resolvers.search = values.slice(0, MOST_DOMAINS).map((name) => name.replace(/\.$/, ''))
    } else if (word === 'options') {
      const ndots = values.flatMap((value) => /^ndots:(\d{1,4})$/.exec(value)?.[1] ?? []).at(-1)
      resolvers.ndots = Math.min(MOST_NDOTS, Number(ndots ?? resolvers.ndots))
    }
  }
  const servers = resolvers.servers.slice(0, MOST_SERVERS)
  return { ...resolvers, servers: servers.length === 0 ? [LOCAL] : servers }
}

/** The names to ask for, one after the other until one exists. */
export function candidates(name: string, { search, ndots }: Resolvers): string[] {
  if (name.endsWith('.')) {
    return [name.slice(0, -1)]
  }
  const within = search.filter((domain) => domain !== '').map((domain) => `${name}.${domain}`)
  const dots = name.split('.').length - 1
  return dots >= ndots ? [name, ...within] : [...within, name]
}
