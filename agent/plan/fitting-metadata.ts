/** What of an entry's metadata an instance can have. Pure. */
import { MOST_METADATA, isMetadataEntry } from '../../contract/guard/metadata.js'

type Pairs = ReadonlyArray<readonly [name: string, value: string]>

/** The first that fit, and the names of the others. */
export function fittingMetadata(pairs: Pairs): {
  metadata: Record<string, string>
  left: string[]
} {
  const fitting = pairs.filter((pair) => isMetadataEntry(...pair)).slice(0, MOST_METADATA)
  const left = pairs.filter((pair) => !fitting.includes(pair)).map(([name]) => name)
  return { metadata: Object.fromEntries(fitting), left }
}

export function leftOutWarning(name: string): string {
  const shown = JSON.stringify(name.slice(0, 64))
  return `metadata ${shown} is left out: too long, too many, or not plain text`
}
