/** The machine that the figures are of. */
import { cpus, loadavg, release, totalmem } from 'node:os'
import type { NginxInfo } from '../../setup/nginx.js'

export interface Machine {
  processor: string
  cores: number
  memoryBytes: number
  kernel: string
  node: string
  nginx: string
  njs: string
  /** Over the last minute, before anything was measured: near 0, or others were working too. */
  loadAverage: number
}

export function describeMachine(nginx: NginxInfo): Machine {
  const cores = cpus()
  return {
    processor: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    nginx: nginx.version,
    njs: nginx.njs,
    loadAverage: loadavg()[0] ?? NaN,
  }
}

export function printMachine(machine: Machine): string {
  const { processor, cores, kernel, node, nginx, njs, loadAverage } = machine
  const memory = `${(machine.memoryBytes / 1024 ** 3).toFixed(1)} GB`
  return (
    `${cores} x ${processor}, ${memory}, Linux ${kernel}; Node ${node}, nginx ${nginx}, ` +
    `njs ${njs}; load average at the start ${loadAverage.toFixed(2)}`
  )
}
