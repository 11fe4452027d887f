/** What is known of an instance beside its address: its container, its image, its labels. */
import { shortId } from '../engine/container.js'
import type { Container } from '../engine/container.js'
import type { Offer } from '../labels/offer.js'

const MOST_METADATA = 32

function isMetadata(name: string, value: string): boolean {
  return (
    /^[A-Za-z0-9_.-]{1,64}$/.test(name) &&
    value.length <= 256 &&
    !/[\u0000-\u001f\u007f]/.test(value)
  )
}

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
  const metadata: Record<string, string> = {}
  for (const [name, value] of [...own, ...said]) {
    if (value === undefined || value === '') {
      continue
    }
    if (isMetadata(name, value) && Object.keys(metadata).length < MOST_METADATA) {
      metadata[name] = value
    } else {
      const shown = JSON.stringify(name.slice(0, 64))
      warnings.push(`metadata ${shown} is left out: too long, too many, or not plain text`)
    }
  }
  return metadata
}
