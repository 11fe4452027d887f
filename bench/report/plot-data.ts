/** The figures that the picture of the README shows, read from results. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from './machine.js'
import { median, pairedRatio } from './statistics.js'

/**
 * One line of the plot: against the static upstream beside which it was measured, in the same run.
 */
export interface Bar {
  name: string
  kind: 'static' | 'sluice' | 'other'
  /** Undefined where it was not measured. */
  cpu: number | undefined
  throughput: number | undefined
}

export interface PlotData {
  bars: Bar[]
  /** Machine and versions, of the newest run that is drawn. */
  machine: Machine | undefined
}

/** By variant (static, again, what is compared) and round. */
type Rounds = number[][]

interface AgainstStatic {
  name: string
  cpuNs: Rounds
  perSecond?: Rounds
}

interface ComparedProxy {
  name: string
  cpuNs: number[]
  rest: { perSecond: number }[]
}

interface Results {
  machine: Machine
  results: Record<string, { numbers: { measured: unknown } } | undefined>
}

/** The newest figures of each part, from whichever run they are. */
export function readPlotData(folder: string): PlotData {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /\.json$/.test(name)) : []
  const runs = names
    .sort()
    .reverse()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Results)
  const newest = (part: string): Results | undefined => runs.find(({ results }) => results[part])
  const measured = (part: string): unknown => newest(part)?.results[part]?.numbers.measured
  const lua = (measured('lua') ?? []) as AgainstStatic[]
  const throughput = (measured('throughput') ?? []) as AgainstStatic[]
  const proxies = (measured('proxies') ?? []) as ComparedProxy[]
  const drawn = [newest('lua'), newest('throughput'), newest('proxies')]
  return {
    bars: [...barsAgainstStatic(lua.length > 0 ? lua : throughput), ...proxyBars(proxies)],
    machine: drawn.find((run) => run !== undefined)?.machine,
  }
}

const NAMES: Record<string, string> = {
  njs: 'Sluice, njs',
  qjs: 'Sluice, QuickJS',
  'Sluice, njs': 'Sluice, njs',
  'Sluice, qjs': 'Sluice, QuickJS',
  Lua: 'Lua balancer',
}

function barsAgainstStatic(measured: AgainstStatic[]): Bar[] {
  const bars = measured.map(({ name, cpuNs, perSecond }): Bar => {
    const label = NAMES[name] ?? name
    const kind = label.startsWith('Sluice') ? 'sluice' : 'other'
    return { name: label, kind, cpu: against(cpuNs, 2), throughput: against(perSecond, 2) }
  })
  const control = (pick: (one: AgainstStatic) => Rounds | undefined): number | undefined => {
    const found = measured.map((one) => against(pick(one), 1))
    const known = found.filter((value) => value !== undefined)
    return known.length === 0 ? undefined : median(known)
  }
  if (bars.length === 0) {
    return []
  }
  const again: Bar = {
    name: 'static, again',
    kind: 'static',
    cpu: control(({ cpuNs }) => cpuNs),
    throughput: control(({ perSecond }) => perSecond),
  }
  return [again, ...bars]
}

function against(rounds: Rounds | undefined, index: number): number | undefined {
  const [first, one] = [rounds?.[0], rounds?.[index]]
  return first === undefined || one === undefined ? undefined : pairedRatio(one, first)
}

/** What is nginx is drawn from the parts that have it more exactly. */
function proxyBars(measured: ComparedProxy[]): Bar[] {
  const [statics] = measured
  if (statics === undefined) {
    return []
  }
  const rates = ({ rest }: ComparedProxy): number[] => rest.map(({ perSecond }) => perSecond)
  return measured
    .filter(({ name }) => !/nginx|Sluice/.test(name))
    .map((one) => ({
      name: one.name,
      kind: 'other',
      cpu: pairedRatio(one.cpuNs, statics.cpuNs),
      throughput: pairedRatio(rates(one), rates(statics)),
    }))
}
