/**
 * A split's record: its upstreams, `:web :web-next`. Where only a draw decides, that is all, and
 * slots say who serves. Else it has no slots, and a line each for
 *
 * - how a client keeps its arm: `=<seed> <TextSource>`, or `=<seed> given <cookie>` and
 *   after a tab what follows its value;
 * - each arm that is forced: `:web-next`, and after a tab each condition that must hold
 *   (printConditions). The first that fits serves;
 * - each upstream's weight among all others: `<weight> :web`.
 *
 * An arm in which nobody is up has no line.
 */

export interface StickRule {
  seed: string
  /** A TextSource; of a cookie that the gateway gives, `cookie:<name>`. */
  source: string
  /** `; Path=/; HttpOnly` of a cookie that the gateway gives; '' where it gives none. */
  attributes: string
}

export interface ForcedArm {
  upstream: string
  /** Apart from each other by tabs. */
  conditions: string
}

export interface WeightedArm {
  upstream: string
  weight: number
}

export interface SplitRecord {
  upstreams: string[]
  stick: StickRule | null
  forced: ForcedArm[]
  arms: WeightedArm[]
}

const GIVEN = 'given '
/** More of a text than this is not hashed: its end is. */
const MOST_HASHED = 256

function printStick(stick: StickRule): string {
  const given = stick.source.slice('cookie:'.length)
  return (
    '=' +
    stick.seed +
    ' ' +
    (stick.attributes === '' ? stick.source : GIVEN + given + '\t' + stick.attributes)
  )
}

function parseStick(line: string): StickRule {
  const space = line.indexOf(' ')
  const seed = line.slice(1, space)
  const rest = line.slice(space + 1)
  if (rest.indexOf(GIVEN) !== 0) {
    return { seed: seed, source: rest, attributes: '' }
  }
  const parts = rest.slice(GIVEN.length).split('\t')
  return { seed: seed, source: 'cookie:' + parts[0], attributes: parts[1] as string }
}

export function printSplit(split: SplitRecord): string {
  return [split.upstreams.join(' ')]
    .concat(split.stick === null ? [] : [printStick(split.stick)])
    .concat(split.forced.map((arm) => arm.upstream + '\t' + arm.conditions))
    .concat(split.arms.map((arm) => arm.weight + ' ' + arm.upstream))
    .join('\n')
}

/** The first line of a record without its digest. */
export function upstreamsIn(record: string): string[] {
  return (record.split('\n', 1)[0] as string).split(' ')
}

export function parseSplit(record: string): SplitRecord {
  const lines = record.split('\n').slice(1)
  const split: SplitRecord = { upstreams: upstreamsIn(record), stick: null, forced: [], arms: [] }
  lines.forEach((line) => {
    const mark = line.charAt(0)
    if (mark === '=') {
      split.stick = parseStick(line)
    } else if (mark === ':') {
      const tab = line.indexOf('\t')
      split.forced.push({ upstream: line.slice(0, tab), conditions: line.slice(tab + 1) })
    } else {
      const space = line.indexOf(' ')
      split.arms.push({ upstream: line.slice(space + 1), weight: Number(line.slice(0, space)) })
    }
  })
  return split
}

/** FNV-1a: goes on with `hash` over `text`. */
function hashOn(hash: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 16777619)
  }
  return hash
}

/**
 * Of a hash, a number between 0 and 1 that shows nothing of what is alike in two texts (Murmur3's
 * last step).
 */
function spread(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 2246822507)
  hash = Math.imul(hash ^ (hash >>> 13), 3266489909)
  return (((hash ^ (hash >>> 16)) >>> 0) + 0.5) / 4294967296
}

/**
 * The upstream that a client keeps who is known by `text`; '' where there is no arm. Each arm
 * draws a number for the client, and the highest for its weight has it (weighted rendezvous): an
 * arm that grows, shrinks, comes or goes moves only those clients whom it gains or loses.
 */
export function armFor(arms: WeightedArm[], seed: string, text: string): string {
  const client = hashOn(hashOn(2166136261, seed + ' '), text.slice(-MOST_HASHED))
  let best = ''
  let least = Infinity
  arms.forEach((arm) => {
    const cost = -Math.log(spread(hashOn(client, arm.upstream))) / arm.weight
    if (cost < least) {
      best = arm.upstream
      least = cost
    }
  })
  return best
}

/** The upstream that `draw`, from 0 to below 1, falls to; '' where there is no arm. */
export function armAt(arms: WeightedArm[], draw: number): string {
  let left = draw * arms.reduce((sum, arm) => sum + arm.weight, 0)
  const found = arms.filter((arm) => {
    left -= arm.weight
    return left < 0
  })[0]
  return found === undefined ? '' : found.upstream
}
