/** Which arm of a split a request gets, and why. */
import type { Where } from '../../../contract/guard/metadata.js'
import { isChosen } from '../../../contract/record/route-split.js'
import type { Split } from '../../../contract/record/route-split.js'
import { armFor } from '../../../contract/table/split-record.js'
import type { SplitRecord } from '../../../contract/table/split-record.js'
import { upstreamOf } from '../../../contract/table/table.js'
import { textOf } from '../../../contract/table/text-of.js'
import { splitRecordOf } from '../../table/split-unit.js'
import type { CompiledArm } from '../../table/split-unit.js'
import { unmet } from './match.js'
import { sourceText } from './policy.js'
import type { ExplainedRequest } from './question.js'

/** `:web` → its share. */
export type Shares = ReadonlyMap<string, number>

/** ` where version is 2`; '' for all instances. */
export function whereText(where: Where | undefined): string {
  const all = Object.entries(where ?? {}).map(([name, value]) => `${name} is ${value}`)
  return all.length === 0 ? '' : ` where ${all.join(' and ')}`
}

/** `:web.0123456789abcdef` → `web where version is 2` */
function nameOf(unit: string, arms: CompiledArm[]): string {
  const arm = arms.find(({ compiled }) => compiled.name === unit)
  return `${upstreamOf(unit)}${whereText(arm?.where)}`
}

function byWeight(weighted: SplitRecord['arms']): Shares {
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0)
  return new Map(weighted.map(({ upstream, weight }) => [upstream, weight / total]))
}

function forcedShares(
  { forced }: SplitRecord,
  arms: CompiledArm[],
  asked: ExplainedRequest,
  why: string[],
): Shares | undefined {
  for (const { upstream, conditions } of forced) {
    const lost = unmet(conditions, asked)
    const name = nameOf(upstream, arms)
    if (lost === undefined) {
      why.push(`the split sends such requests to upstream ${name}, whatever the weights`)
      return new Map([[upstream, 1]])
    }
    why.push(`the split does not send it to upstream ${name} before all: ${lost}`)
  }
  return undefined
}

function keptShares(
  { stick, arms: weighted }: SplitRecord,
  arms: CompiledArm[],
  asked: ExplainedRequest,
  why: string[],
): Shares | undefined {
  if (stick === null) {
    return undefined
  }
  const source = sourceText(stick.source)
  // nginx finds a cookie and an argument in any case.
  const text = textOf(asked, stick.source.toLowerCase())
  if (text === '') {
    const given = stick.attributes === '' ? 'without it, each request is drawn' : 'which is given'
    why.push(`clients keep their arm by ${source}, with the seed ${stick.seed}; ${given}`)
    return undefined
  }
  const upstream = armFor(weighted, stick.seed, text)
  const name = upstream === '' ? 'none, for no arm is up' : nameOf(upstream, arms)
  why.push(`by ${source} and the seed ${stick.seed} the client keeps upstream ${name}`)
  return new Map([[upstream, 1]])
}

/**
 * Of all requests like this one, the share of each of `arms`, by its unit. `name` is the split's.
 */
export function sharesOf(
  name: string,
  split: Split,
  arms: CompiledArm[],
  asked: ExplainedRequest,
  why: string[],
): Shares {
  const record = splitRecordOf(name, arms, split.stick)
  const chosen = isChosen(split)
    ? (forcedShares(record, arms, asked, why) ?? keptShares(record, arms, asked, why))
    : undefined
  return chosen ?? byWeight(record.arms)
}
