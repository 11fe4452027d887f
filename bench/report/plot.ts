/**
 * `node --import tsx bench/report/plot.ts`: draws docs/bench.svg from the newest figures in
 * bench/results.
 */
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readPlotData } from './plot-data.js'
import type { Bar, PlotData } from './plot-data.js'

const WIDTH = 760
const NAMES = 130
const PANEL = 285
const GAP = 30
const TOP = 64
const ROW = 30
const THICK = 16
const BOTTOM = 52
/** What a number takes, with the space before it. */
const LABEL = 54

/**
 * Colours that keep their contrast on a light and on a dark page; which of them it is, the reader's
 * system says.
 */
const STYLE = `
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; fill: #1f2328; }
.head { font-weight: 600; }
.soft { fill: #59636e; font-size: 12px; }
.ours { font-weight: 600; }
.static { fill: #b1bac4; }
.sluice { fill: #0969da; }
.other { fill: #818b98; }
.one { stroke: #1f2328; stroke-width: 1; stroke-dasharray: 3 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .soft { fill: #9198a1; }
  .static { fill: #4a525c; }
  .sluice { fill: #4493f8; }
  .other { fill: #7d8590; }
  .one { stroke: #f0f6fc; }
}`

interface Panel {
  title: string
  better: string
  left: number
  value: (bar: Bar) => number | undefined
}

const PANELS: Panel[] = [
  {
    title: 'CPU for each request',
    better: 'less is better',
    left: NAMES,
    value: ({ cpu }) => cpu,
  },
  {
    title: 'Requests/s of one saturated worker',
    better: 'more is better',
    left: NAMES + PANEL + GAP,
    value: ({ throughput }) => throughput,
  },
]

export function printPlot({ bars, machine }: PlotData): string {
  const height = TOP + bars.length * ROW + BOTTOM
  const names = bars.map((bar, index) => {
    const weight = bar.kind === 'sluice' ? ' class="ours"' : ''
    return `<text${weight} x="${NAMES - 10}" y="${middle(index)}" text-anchor="end">${escape(bar.name)}</text>`
  })
  const versions = machine
    ? `nginx ${machine.nginx}, njs ${machine.njs}; ${machine.cores} × ${machine.processor}`
    : ''
  const foot = [
    'Dashed: a static upstream with zone and keepalive, in the same run. Backends answer at once.',
    versions,
  ].map((line, index) => {
    const y = height - BOTTOM + 24 + index * 17
    return `<text class="soft" x="10" y="${y}">${escape(line)}</text>`
  })
  const parts = [...names, ...PANELS.flatMap((panel) => printPanel(panel, bars)), ...foot]
  const label = 'Sluice and others against a static upstream: CPU and throughput'
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${label}">
<style>${STYLE}</style>
${parts.join('\n')}
</svg>
`
}

function printPanel({ title, better, left, value }: Panel, bars: Bar[]): string[] {
  const known = bars.map(value).filter((each) => each !== undefined)
  // Room for the number at the end of the longest bar.
  const scale = (PANEL - LABEL) / Math.max(1, ...known)
  const head = [
    `<text class="head" x="${left}" y="22">${title}</text>`,
    `<text class="soft" x="${left}" y="40">relative to static; ${better}</text>`,
  ]
  const drawn = bars.map((bar, index) => printBar(bar, { left, scale, index, value: value(bar) }))
  const x = left + scale
  const end = TOP + bars.length * ROW
  const line = `<line class="one" x1="${x}" x2="${x}" y1="${TOP - 6}" y2="${end}"/>`
  return [...head, ...drawn, line]
}

function printBar(
  bar: Bar,
  at: { left: number; scale: number; index: number; value: number | undefined },
): string {
  const y = middle(at.index)
  if (at.value === undefined) {
    return `<text class="soft" x="${at.left}" y="${y}">not measured</text>`
  }
  const width = (at.value * at.scale).toFixed(1)
  // Where the number would cross the dashed line, it stands beyond that.
  const crosses = at.value < 1 && at.value * at.scale + LABEL > at.scale
  const end = Math.max(at.value, crosses ? 1 : 0) * at.scale + at.left + 7
  const top = TOP + at.index * ROW + (ROW - THICK) / 2
  const weight = bar.kind === 'sluice' ? ' class="ours"' : ''
  return (
    `<rect class="${bar.kind}" x="${at.left}" y="${top}" width="${width}" height="${THICK}" rx="2"/>` +
    `<text${weight} x="${end.toFixed(1)}" y="${y}">${at.value.toFixed(2)}×</text>`
  )
}

function middle(index: number): number {
  return TOP + index * ROW + ROW / 2 + 4.5
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Draws what is in bench/results; undefined when nothing there can be drawn, else the file. */
export function writePlot(): string | undefined {
  const data = readPlotData(join(repository, 'bench/results'))
  if (data.bars.length === 0) {
    return undefined
  }
  const file = join(repository, 'docs/bench.svg')
  writeFileSync(file, printPlot(data))
  return file
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(writePlot() ?? 'no figures yet: npm run bench -- lua proxies')
}
