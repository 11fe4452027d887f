/** What every call of the API may use. */
import type { ControllerForApi } from '../controller-for-api.js'
import type { Committer } from './change/committer.js'
import type { EventFeed } from './read/event-feed.js'
import type { Touched } from './change/last-touched.js'

/** What `GET /metrics` shows; prom-client's registry is one. */
export interface MetricsSource {
  contentType: string
  metrics(): Promise<string>
}

/** What every route works with. */
export interface ApiContext {
  control: ControllerForApi
  metrics: MetricsSource
  committer: Committer
  feed: EventFeed
  touched: Touched
  /** Aborted when the API stops: nobody waits any longer. */
  closing: AbortController
}
