/** What a container offers, whichever grammar its labels are in. */
import type { RouteRecord } from '../../contract/record/route.js'
import type { SniRouteRecord, Transport } from '../../contract/record/stream-route.js'
import type { UpstreamRecord } from '../../contract/record/upstream-record.js'

/** A route for requests to one host, as the registry has it, but for its target. */
export type HttpOfferRoute = Omit<RouteRecord, 'upstream' | 'split' | 'stick'>
/** A route to the offer's upstream, before a guard has seen it. */
export type OfferRoute =
  HttpOfferRoute | { protocol: Transport; port: number } | Pick<SniRouteRecord, 'sni' | 'port'>

/** One port that wants to be an instance. */
export interface Offer {
  /** Which labels say so: `sluice`, `sluice.admin`, `SERVICE_80_NAME`. */
  source: string
  upstream: string
  /** The upstream's name as it was given, before it was folded. */
  given: string
  /** Whether somebody chose the upstream's name. */
  isNameChosen: boolean
  /** Where the upstream's name is from, for people. */
  upstreamWhy: string
  /** Container side; undefined: to be chosen. */
  port: number | undefined
  transport: Transport
  weight: number
  /** undefined: no limit. */
  maxConns: number | undefined
  backup: boolean
  zone: string | undefined
  /** What leads to the upstream; those for requests have one host each. */
  routes: OfferRoute[]
  /** Name of the network to be reached on; undefined: that of all offers. */
  network?: string | undefined
  /** What the upstream is set to, if it has no settings yet; undefined: nothing. */
  settings: UpstreamRecord | undefined
  /** Instance id, where the labels name one. */
  id: string | undefined
  metadata: Record<string, string>
}

/** What the labels say. With a problem, nothing of the container is registered. */
export interface Offers {
  offers: Offer[]
  /** Name of the network to be reached on. */
  network: string | undefined
  problems: string[]
  /** What is not done, while all else is: a route to a port that is not open. */
  refused?: string[]
  warnings: string[]
}
