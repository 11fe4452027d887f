/** What registrator's tags expose: `http` a host, `tcp` and `udp` a port of the gateway. Pure. */
import { portsIn } from '../../contract/guard/ports.js'
import type { Transport } from '../../contract/record/stream-route.js'
import type { DialectSettings } from '../../runtime/config/settings.js'
import type { OfferRoute } from './offer.js'

interface Exposed {
  routes: OfferRoute[]
  /** Ports that are not open, for people. */
  refused: string[]
}

type Ports = Pick<DialectSettings, 'exposeDomains' | 'streamPorts'>

/**
 * Routes that the tags of a service ask for: `http` exposes `<upstream>.<domain>`; `tcp` and `udp`
 * open the port that its name ends with, as in `tcpfront-9100`.
 */
export function routesOfTags(
  { upstream, given, tags }: { upstream: string; given: string; tags: readonly string[] },
  { exposeDomains, streamPorts }: Ports,
): Exposed {
  const exposed: Exposed = { routes: [], refused: [] }
  if (tags.includes('http')) {
    const hosts = exposeDomains.map((domain) => ({
      ...{ hosts: [`${upstream}.${domain}`], pathPrefix: '/' },
    }))
    exposed.routes.push(...hosts)
  }
  const port = Number(/-(\d{1,5})$/.exec(given)?.[1])
  const open = portsIn(streamPorts)
  for (const protocol of (['tcp', 'udp'] satisfies Transport[]).filter((tag) =>
    tags.includes(tag),
  )) {
    if (open.includes(port)) {
      exposed.routes.push({ protocol, port })
    } else if (!Number.isNaN(port)) {
      const text = `tag ${protocol} of ${given}: port ${port} is not open for routes`
      exposed.refused.push(`${text}; SLUICE_STREAM_PORTS lists those that are`)
    }
  }
  return exposed
}
