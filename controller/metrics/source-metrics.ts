/** What Prometheus is shown of the sources that agents follow. */
import { Gauge } from 'prom-client'
import type { Registry as PromRegistry } from 'prom-client'
import type { SourceView } from '../views.js'

const LABELS = ['agent', 'source']

export function addSourceMetrics(promRegistry: PromRegistry, read: () => SourceView[]): void {
  const add = (name: string, help: string, valueOf: (source: SourceView) => number) =>
    void new Gauge({
      ...{ name, help, labelNames: LABELS, registers: [promRegistry] },
      collect() {
        this.reset()
        for (const source of read()) {
          this.set({ agent: source.agent, source: source.name }, valueOf(source))
        }
      },
    })
  const stale = 'Seconds since which a source is away or not believed; 0: it is followed'
  add('sluice_source_instances', 'Registered instances, by source', (each) => each.instances)
  add('sluice_source_refused', 'Entries of a source that are not used', (each) => each.refused)
  add('sluice_source_stale_seconds', stale, ({ away }) =>
    away === undefined ? 0 : Math.max(0, Date.now() - away.sinceAtMs) / 1000,
  )
}
