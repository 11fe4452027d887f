/** A gauge that is read when Prometheus asks. */
import { Gauge } from 'prom-client'
import type { Registry } from 'prom-client'

export type AddGauge = (name: string, help: string, read: () => number) => void

export function gaugesOf(registry: Registry): AddGauge {
  return (name, help, read) =>
    void new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read())
      },
    })
}
