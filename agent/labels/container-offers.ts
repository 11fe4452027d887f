/** Whether a container asks to be registered, and by which labels. */
import type { LabelDialect } from '../../runtime/config/kinds.js'
import type { DialectSettings } from '../../runtime/config/settings.js'
import type { Container } from '../engine/container.js'
import type { Dialect } from './dialect.js'
import { angie } from './angie.js'
import { nginxProxy } from './nginx-proxy.js'
import { traefik } from './traefik.js'
import { registrator } from './registrator.js'
import { hasSluiceLabels, isDisabled, isOneOff, isOnlyEnabled } from './label-names.js'
import type { Offers } from './offer.js'
import { readOffers } from './sluice-labels.js'

const DIALECTS: Partial<Record<LabelDialect, Dialect>> = {
  sluice: { asks: hasSluiceLabels, read: readOffers },
  registrator,
  'nginx-proxy': nginxProxy,
  traefik,
  angie,
}

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

function asking(container: Container, settings: DialectSettings): LabelDialect[] {
  return settings.dialects.filter((name) => DIALECTS[name]?.asks(container, settings) === true)
}

/** Whether all that asks for anything comes with the image. Whoever started it did not ask. */
export function isImageAlone(container: Container, settings: DialectSettings): boolean {
  const own = withoutImage(container)
  return !hasSluiceLabels(own) && asking(own, settings).length === 0
}

/**
 * What the labels of the first dialect that the container has say. `sluice.enable=true` alone
 * leaves the word to the others.
 */
export function offersOf(container: Container, settings: DialectSettings): Offers | undefined {
  const all = isDisabled(container) || isOneOff(container) ? [] : asking(container, settings)
  const isLeft = all.length > 1 && isOnlyEnabled(container)
  const [first, ...others] = isLeft ? all.filter((name) => name !== 'sluice') : all
  const offers = first && DIALECTS[first]?.read(container, settings)
  // Where images give names, each container asks, whatever else it has.
  const unread = others.filter((name) => name !== 'registrator' || settings.registratorExplicit)
  if (offers !== undefined && unread.length > 0) {
    const rule = `those of ${first} come first in SLUICE_LABELS`
    offers.warnings.push(`labels of ${unread.join(' and ')} are not read: ${rule}`)
  }
  return offers
}
