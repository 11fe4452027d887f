/** Whether a container asks to be registered, and by which labels. */
import type { Container } from '../engine/container.js'
import { hasSluiceLabels, isDisabled, isOnlyEnabled } from './label-names.js'
import type { Offers } from './offer.js'
import { hasServiceName, readServiceOffers } from './registrator-labels.js'
import { readOffers } from './sluice-labels.js'

/** What the container itself says: all that is not in its image as it is here. */
function withoutImage(container: Container): Container {
  const { labels, env } = container.ofImage ?? { labels: {}, env: [] }
  const given = new Set(env.map((pair) => pair.join('=')))
  return {
    ...container,
    labels: Object.fromEntries(
      Object.entries(container.labels).filter(([name, value]) => labels[name] !== value),
    ),
    env: container.env.filter((pair) => !given.has(pair.join('='))),
  }
}

/** Whether all that asks for anything comes with the image. Whoever started it did not ask. */
export function isImageAlone(container: Container): boolean {
  const own = withoutImage(container)
  return !hasSluiceLabels(own) && !hasServiceName(own)
}

/**
 * A container takes part by a `sluice.*` label, or by SERVICE_NAME. When it has both, `sluice.*`
 * wins, unless all that it says is `sluice.enable=true`.
 */
export function offersOf(container: Container): Offers | undefined {
  if (isDisabled(container)) {
    return undefined
  }
  const named = hasServiceName(container)
  if (hasSluiceLabels(container) && !(named && isOnlyEnabled(container))) {
    return readOffers(container)
  }
  return named ? readServiceOffers(container) : undefined
}
