/** Tags and metadata of a service, as a catalog has them → what they ask for. Pure. */
import { isDisabled, unknownLabels } from '../labels/label-names.js'
import type { DialectSettings } from '../../runtime/config/settings.js'
import { routesOfTags } from '../labels/service-tags.js'
import type { Offers } from '../labels/offer.js'
import { readLabels } from '../labels/sluice-labels.js'

export interface TaggedService {
  /** The service's name, as the catalog has it. */
  service: string
  tags: readonly string[]
  meta: ReadonlyArray<readonly [string, string]>
}

export interface ServiceOffers extends Offers {
  isDisabled: boolean
  /** Whether the labels say the weight. */
  isWeighted: boolean
}

const META_PREFIX = 'sluice_'
const TAG_PREFIX = 'sluice.'

/** `sluice.host=app.example.com` → `['sluice.host', 'app.example.com']` */
function labelsOf({ tags, meta }: TaggedService): Record<string, string> {
  const fromMeta = meta
    .filter(([name]) => name.startsWith(META_PREFIX))
    // Consul refuses dots in the names of metadata.
    .map(([name, value]) => [TAG_PREFIX + name.slice(META_PREFIX.length), value] as const)
    .map(([name, value]) => [name.replaceAll('_', '-'), value] as const)
  const fromTags = tags
    .filter((tag) => tag.startsWith(TAG_PREFIX) && tag.includes('='))
    .map((tag) => [tag.slice(0, tag.indexOf('=')), tag.slice(tag.indexOf('=') + 1)] as const)
  return Object.fromEntries([...fromMeta, ...fromTags])
}

/** Metadata without what are labels, and the tags as one text. */
export function plainMetadata({ tags, meta }: TaggedService): Array<readonly [string, string]> {
  const plain = meta.filter(([name]) => !name.startsWith(META_PREFIX) && name !== 'tags')
  return tags.length === 0 ? [...plain] : [...plain, ['tags', tags.join(',')] as const]
}

/** What a service asks for: one offer. */
export function readServiceLabels(
  service: TaggedService,
  settings: DialectSettings,
): ServiceOffers {
  const labels = labelsOf(service)
  const unnamed = () => ({
    text: service.service,
    ...{ why: "the service's name", isNameChosen: true },
  })
  const read = readLabels(labels, unnamed)
  const warnings = [...read.warnings, ...unknownLabels({ labels })]
  if (read.network !== undefined) {
    warnings.push('sluice.network means nothing here: only containers have networks')
  }
  if (read.offers.length > 1 || Object.keys(labels).some((name) => name.split('.').length > 2)) {
    read.problems.push('sluice.<name>.* is for containers: a service has one port')
  }
  const [offer] = read.offers
  const { upstream = '', given = '' } = offer ?? {}
  const { routes, refused } = routesOfTags({ upstream, given, tags: service.tags }, settings)
  offer?.routes.push(...routes)
  return {
    ...read,
    refused,
    warnings,
    isDisabled: isDisabled({ labels }),
    isWeighted: 'sluice.weight' in labels,
  }
}
