/** The `sluice.*` labels of a container → what it offers, before an address is chosen. Pure. */
import { parseDuration } from '../../runtime/duration.js'
import type { Container } from '../engine/container.js'
import { MOST_INSTANCES } from './label-limits.js'
import { SITE_LABELS, PREFIX, UPSTREAM_LABELS, TRAITS, group } from './label-names.js'
import type { LabelFields } from './label-names.js'
import { LabelReader } from './label-reader.js'
import type { GivenName } from './label-reader.js'
import type { Offer, Offers } from './offer.js'

/** As long as a drain may wait. */
const LONGEST_DRAIN_MS = 600_000

/** `5s`, `1500ms`, `2m` → milliseconds; undefined when it is no duration, or too long. */
function drainTimeOf(text: string): number | undefined {
  const ms = parseDuration(text)
  return ms !== undefined && ms <= LONGEST_DRAIN_MS ? ms : undefined
}

function defaultName({ name, labels }: Container): GivenName {
  const project = labels['com.docker.compose.project']
  const service = labels['com.docker.compose.service']
  return project === undefined || service === undefined
    ? {
        text: name,
        why: "the container's name, as sluice.upstream is not set",
        isNameChosen: false,
      }
    : {
        text: `${project}-${service}`,
        why: 'the compose project and service, as sluice.upstream is not set',
        isNameChosen: false,
      }
}

function readOffer(
  fields: LabelFields,
  prefix: string,
  otherwise: () => GivenName,
  problems: string[],
): Offer {
  const reader = new LabelReader(fields, prefix)
  const offer = {
    source: prefix.slice(0, -1),
    ...reader.upstream(otherwise),
    ...reader.port(),
    weight: reader.whole('weight', 1000) ?? 1,
    maxConns: reader.whole('max-conns', 65535),
    backup: reader.flag('backup'),
    zone: reader.name('zone'),
    routes: reader.routes(),
    settings: reader.settings(),
    id: undefined,
    metadata: {},
  }
  problems.push(...reader.problems)
  return offer
}

function guardAlone(alone: LabelFields, problems: string[]): void {
  const enable = alone.get('enable')?.toLowerCase()
  if (enable !== undefined && enable !== 'true') {
    problems.push(`sluice.enable ${JSON.stringify(enable.slice(0, 64))} must be true or false`)
  }
  const drain = alone.get('drain')
  if (drain !== undefined && drainTimeOf(drain) === undefined) {
    const shown = JSON.stringify(drain.slice(0, 64))
    problems.push(`sluice.drain ${shown} must be a duration such as 5s or 500ms, at most 10m`)
  }
  if (alone.get('network') === '') {
    problems.push('sluice.network is empty')
  }
}

/** What the unnamed labels give to every offer of the container. */
function share(alone: LabelFields, offers: Offer[]): void {
  const drainMs = drainTimeOf(alone.get('drain') ?? '')
  for (const offer of offers) {
    if (drainMs !== undefined) {
      offer.metadata.drainMs = String(drainMs)
    }
  }
}

/** The offers of a container's `sluice.*` labels. */
export function readOffers(container: Container): Offers {
  return readLabels(container.labels, () => defaultName(container))
}

/**
 * The offers of `sluice.*`, whoever has the labels. The unnamed labels are one offer, unless there
 * are named ones (`sluice.<name>.port`) and nothing stands alone that says what or where.
 * `sluice.weight`, `max-conns`, `backup` and `zone` alone are the defaults of the named ones.
 */
export function readLabels(labels: Container['labels'], unnamed: () => GivenName): Offers {
  const { alone, named } = group(labels)
  const problems: string[] = []
  guardAlone(alone, problems)
  const offers: Offer[] = []
  if (named.size === 0 || SITE_LABELS.some((key) => alone.has(key))) {
    offers.push(readOffer(alone, PREFIX, unnamed, problems))
  }
  const shared = [...alone].filter(([field]) => [...TRAITS, ...UPSTREAM_LABELS].includes(field))
  // One more than there may be: then all of it is refused.
  for (const [name, fields] of [...named].slice(0, MOST_INSTANCES + 1)) {
    const whole = new Map([...shared, ...fields])
    const why = `the name in sluice.${name}.*`
    const otherwise = (): GivenName => ({ text: name, why, isNameChosen: true })
    offers.push(readOffer(whole, `${PREFIX}${name}.`, otherwise, problems))
  }
  share(alone, offers)
  return { offers, network: alone.get('network'), problems, warnings: [] }
}
