/** The picture of the figures. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { printPlot } from '../../../../bench/report/plot.js'
import { readPlotData } from '../../../../bench/report/plot-data.js'
import { temporaryFolder } from '../../../../lab/temp.js'

const MACHINE = { nginx: '1.30.6', njs: '1.0.2', cores: 2, processor: 'a <processor>' }

const beside = (name: string, factor: number): unknown => ({
  name,
  cpuNs: [
    [100, 200, 300],
    [100, 200, 300],
    [100 * factor, 200 * factor, 300 * factor],
  ],
})

t.test('each part is drawn from the newest run that has it, against its own static', async (t) => {
  const folder = temporaryFolder(t)
  const write = (name: string, results: unknown): void =>
    writeFileSync(join(folder, name), JSON.stringify({ machine: MACHINE, results }))
  const proxies = [
    { name: 'nginx, static', cpuNs: [10, 20], rest: [{ perSecond: 8 }] },
    { name: 'Sluice', cpuNs: [90, 90], rest: [{ perSecond: 1 }] },
    { name: 'HAProxy', cpuNs: [15, 30], rest: [{ perSecond: 4 }] },
  ]
  write('2026-01-01.json', { lua: { numbers: { measured: [beside('Lua', 9)] } } })
  write('2026-01-02.json', { proxies: { numbers: { measured: proxies } } })
  const newest = [beside('Sluice, njs', 1.5), beside('Lua', 2)]
  write('2026-01-03.json', { lua: { numbers: { measured: newest } } })
  const { bars } = readPlotData(folder)
  t.same(
    bars.map(({ name, cpu, throughput }) => [name, cpu, throughput]),
    [
      ['static, again', 1, undefined],
      ['Sluice, njs', 1.5, undefined],
      ['Lua balancer', 2, undefined],
      ['HAProxy', 1.5, 0.5],
    ],
  )
})

t.test('a plot has every name and number, and says what was not measured', async (t) => {
  const bars = [
    { name: 'Sluice, njs', kind: 'sluice' as const, cpu: 1.4, throughput: 0.7 },
    { name: 'Caddy & more', kind: 'other' as const, cpu: 3, throughput: undefined },
  ]
  const machine = { ...MACHINE, memoryBytes: 1, kernel: '', node: '', loadAverage: 0 }
  const svg = printPlot({ bars, machine })
  for (const text of ['Sluice, njs', '1.40×', '0.70×', 'Caddy &amp; more', '3.00×']) {
    t.ok(svg.includes(text), text)
  }
  t.ok(svg.includes('not measured') && svg.includes('a &lt;processor>'))
  t.notOk(svg.includes('NaN') || svg.includes('undefined'))
})

t.test('no figures are no bars', async (t) => {
  t.same(readPlotData(join(temporaryFolder(t), 'none')).bars, [])
})
