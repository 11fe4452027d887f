/** A gauge that is read when Prometheus asks. */
import { Gauge } from 'prom-client'
import type { Registry as PromRegistry } from 'prom-client'

export type AddGauge = (name: string, help: string, read: () => number) => void

export function gaugesOf(promRegistry: PromRegistry): AddGauge {
  return (name, help, read) =>
    void new Gauge({
      name,
      help,
      registers: [promRegistry],
      collect() {
        this.set(read())
      },
    })
}
