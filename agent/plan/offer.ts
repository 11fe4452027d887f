/** What a container offers, whichever grammar its labels are in. */
import type { UpstreamRecord } from '../../contract/record/upstream-record.js'
import type { Transport } from '../../contract/record/stream-route.js'

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
  /** Hosts that want a route to the upstream. */
  hosts: string[]
  pathPrefix: string
  /** Whether instances are asked without the path prefix. */
  stripPrefix: boolean
  /** The gateway's ports that lead to the upstream. */
  ports: Array<{ protocol: Transport; port: number }>
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
  warnings: string[]
}
