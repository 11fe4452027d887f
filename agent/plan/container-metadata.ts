/** What is known of an instance beside its address: its container, its image, its labels. */
import { shortId } from '../engine/container.js'
import type { Container } from '../engine/container.js'
import { fittingMetadata, leftOutWarning } from './fitting-metadata.js'
import type { Offer } from '../labels/offer.js'

function ownMetadata(container: Container): Array<[string, string | undefined]> {
  const { labels } = container
  return [
    ['container', container.name],
    ['containerId', shortId(container.id)],
    ['startedAt', container.startedAt],
    ['image', container.image.slice(0, 256)],
    ['project', labels['com.docker.compose.project']],
    ['service', labels['com.docker.compose.service']],
  ]
}

/**
 * The metadata of the instance. What does not fit is left out, and named in `warnings`.
 */
export function metadataOf(
  container: Container,
  offer: Offer,
  warnings: string[],
): Record<string, string> {
  const own = ownMetadata(container)
  const names = own.map(([name]) => name)
  const said = Object.entries(offer.metadata).filter(([name]) => !names.includes(name))
  const pairs = [...own, ...said].flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, value] as const],
  )
  const { metadata, left } = fittingMetadata(pairs)
  warnings.push(...left.map(leftOutWarning))
  return metadata
}
