/** What a picture is made of, and how it becomes an SVG that is legible on light and dark pages. */

interface Box {
  left: number
  top: number
  width: number
  height: number
  title: string
  lines?: string[]
  /**
   * `part` is one of Sluice, `nginx` is nginx, `other` is somebody else's; `frame` holds others,
   * its title at the top.
   */
  kind: 'part' | 'nginx' | 'other' | 'frame'
}

/**
 * A place at a box's edge: `front.right`, or at 30 % of that side `front.right.30`; or a point of
 * the page.
 */
type End = string | [x: number, y: number]

interface Arrow {
  from: End
  to: End
  /** Where it bends. */
  via?: [x: number, y: number][]
  /** What does not happen for each request or change. */
  dashed?: boolean
  both?: boolean
}

interface Note {
  x: number
  y: number
  text: string | string[]
  anchor?: 'start' | 'middle' | 'end'
}

export interface Picture {
  /** For readers who cannot see it. */
  title: string
  width: number
  height: number
  boxes: Record<string, Box>
  arrows: Arrow[]
  notes: Note[]
}

const LINE = 16
const STYLE = `
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; fill: #1f2328; }
.title { font-weight: 600; }
.soft { fill: #59636e; font-size: 12px; }
rect { stroke-width: 1.5; }
.part { fill: #ddf4ff; stroke: #0969da; }
.nginx { fill: #dafbe1; stroke: #1a7f37; }
.other { fill: #f6f8fa; stroke: #818b98; }
.frame { fill: none; stroke: #818b98; stroke-dasharray: 2 3; }
.arrow { fill: none; stroke: #59636e; stroke-width: 1.5; }
.dashed { stroke-dasharray: 5 4; }
.head { fill: #59636e; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .soft { fill: #9198a1; }
  .part { fill: #121d2f; stroke: #4493f8; }
  .nginx { fill: #12261e; stroke: #3fb950; }
  .other { fill: #151b23; stroke: #7d8590; }
  .frame { stroke: #7d8590; }
  .arrow { stroke: #9198a1; }
  .head { fill: #9198a1; }
}`

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function textAt(x: number, y: number, text: string, style: string, anchor: string): string {
  return `<text class="${style}" x="${x}" y="${y}" text-anchor="${anchor}">${escape(text)}</text>`
}

function printBox({ left, top, width, height, title, lines = [], kind }: Box): string {
  const rect = `<rect class="${kind}" x="${left}" y="${top}" width="${width}" height="${height}" rx="6"/>`
  if (kind === 'frame') {
    return rect + textAt(left + 12, top + 20, title, 'title', 'start')
  }
  const middle = left + width / 2
  const first = top + height / 2 - (lines.length * LINE) / 2 + 5
  const texts = lines.map((line, i) =>
    textAt(middle, first + (i + 1) * LINE, line, 'soft', 'middle'),
  )
  return rect + textAt(middle, first, title, 'title', 'middle') + texts.join('')
}

function placeOf(end: End, boxes: Record<string, Box>): [number, number] {
  if (typeof end !== 'string') {
    return end
  }
  const [name = '', side, percent = '50'] = end.split('.')
  const box = boxes[name]
  if (box === undefined) {
    throw new Error(`an arrow ends at ${end}, and there is no box ${name}`)
  }
  const { left, top, width, height } = box
  const part = Number(percent) / 100
  const sides: Record<string, [number, number]> = {
    left: [left, top + height * part],
    right: [left + width, top + height * part],
    top: [left + width * part, top],
    bottom: [left + width * part, top + height],
  }
  const place = sides[side ?? '']
  if (place === undefined) {
    throw new Error(`${end} names no side: left, right, top or bottom`)
  }
  return place
}

/** Moved by some points where the line to its neighbour would be askew. */
function straightened([x, y]: [number, number], [nextX, nextY]: [number, number]) {
  const near = (a: number, b: number) => (Math.abs(a - b) < 7 ? b : a)
  const place: [number, number] = [near(x, nextX), near(y, nextY)]
  return place
}

/** A triangle whose point is at `to`, and which comes from where `from` is. */
function printHead(from: [number, number], to: [number, number]): string {
  const angle = Math.atan2(to[1] - from[1], to[0] - from[0])
  const corner = (turn: number) => {
    const x = to[0] - 9 * Math.cos(angle + turn)
    const y = to[1] - 9 * Math.sin(angle + turn)
    return `${x.toFixed(1)},${y.toFixed(1)}`
  }
  return `<polygon class="head" points="${to[0]},${to[1]} ${corner(0.42)} ${corner(-0.42)}"/>`
}

function printArrow(arrow: Arrow, boxes: Record<string, Box>): string {
  const ends = [placeOf(arrow.from, boxes), placeOf(arrow.to, boxes)] as const
  const to = straightened(ends[1], arrow.via?.at(-1) ?? ends[0])
  const from = straightened(ends[0], arrow.via?.[0] ?? to)
  const points = [from, ...(arrow.via ?? []), to]
  const style = arrow.dashed === true ? 'arrow dashed' : 'arrow'
  const line = `<polyline class="${style}" points="${points.map((point) => point.join(',')).join(' ')}"/>`
  const end = printHead(points.at(-2) ?? from, to)
  return line + end + (arrow.both === true ? printHead(points[1] ?? to, from) : '')
}

function printNote({ x, y, text, anchor = 'start' }: Note): string {
  const lines = typeof text === 'string' ? [text] : text
  return lines.map((line, i) => textAt(x, y + i * LINE, line, 'soft', anchor)).join('')
}

export function printPicture({ title, width, height, boxes, arrows, notes }: Picture): string {
  const parts = [
    ...Object.values(boxes).map(printBox),
    ...arrows.map((arrow) => printArrow(arrow, boxes)),
    ...notes.map(printNote),
  ]
  const size = `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${escape(title)}">
<title>${escape(title)}</title>
<style>${STYLE}</style>
${parts.join('\n')}
</svg>
`
}
