/** Metrics of the own gateway: its nginx, its table, and what happened to requests there. */
import { Counter, Gauge } from 'prom-client'
import type { Registry as PromRegistry } from 'prom-client'
import { messageOf } from '../../runtime/errors.js'
import type { Logger } from '../../runtime/logger.js'
import type { Serving } from '../serving.js'
import { gaugesOf } from './gauge.js'

export interface GatewayMetricsOptions {
  promRegistry: PromRegistry
  serving: Serving
  log: Logger
}

export function addGatewayMetrics(options: GatewayMetricsOptions): void {
  addFigures(options)
  addEvents(options)
  addLanes(options)
}

function addFigures({ promRegistry, serving }: GatewayMetricsOptions): void {
  const gauge = gaugesOf(promRegistry)
  const { gateway } = serving
  gauge('sluice_gateway_connected', '1 while the gateway takes pushes', () =>
    gateway.figures().isConnected ? 1 : 0,
  )
  gauge(
    'sluice_dict_hung',
    '1 while the lock of the shared dict hangs: nginx must be stopped and started',
    () => (gateway.figures().isHung ? 1 : 0),
  )
  gauge(
    'sluice_dict_full',
    '1 while the table is too small for what the registry says: the old one stays',
    () => (gateway.figures().isFull ? 1 : 0),
  )
  gauge('sluice_gateway_workers', 'Workers of nginx', () => gateway.figures().workers)
  gauge('sluice_pool_members', 'Peers that the pool surely has', () => gateway.figures().pooled)
  gauge(
    'sluice_dict_bytes_free',
    'Free whole pages of the table; -1 when unknown',
    () => gateway.figures().freeBytes ?? -1,
  )
}

function addEvents({ promRegistry, serving, log }: GatewayMetricsOptions): void {
  const { gateway } = serving
  new Counter({
    name: 'sluice_gateway_events_total',
    help: 'What happened to requests off the normal path, since nginx was started',
    labelNames: ['event'],
    registers: [promRegistry],
    async collect() {
      try {
        const counted = await gateway.counters()
        this.reset()
        Object.entries(counted).forEach(([event, count]) => this.inc({ event }, count))
      } catch (error) {
        // The last numbers stay; sluice_gateway_connected shows why.
        log.debug({ error: messageOf(error) }, 'no counters')
      }
    },
  })
}

function addLanes({ promRegistry, serving }: GatewayMetricsOptions): void {
  new Gauge({
    name: 'sluice_lanes',
    help: 'Upstreams by how they are served: by nginx alone (open), or by the table; none where nginx is left to choose nothing by itself',
    labelNames: ['state'],
    registers: [promRegistry],
    collect() {
      const lanes = serving.gateway.lanes()
      if (lanes !== undefined) {
        Object.entries(lanes.counts()).forEach(([state, count]) => this.set({ state }, count))
      }
    },
  })
}
