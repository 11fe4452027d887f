/** Which `sluice.*` labels there are, and those that a container has. Pure. */
import { nearest } from '../../runtime/config/nearest.js'
import type { Container } from '../engine/container.js'
import { fewLines } from './few.js'
import { foldName } from '../../contract/guard/fold-name.js'

/** A label's field → its text. */
export type LabelFields = Map<string, string>

export const PREFIX = 'sluice.'
/**
 * What an instance has. `sluice.weight` counts for every `sluice.<name>.…` that has none itself.
 */
export const TRAITS = ['weight', 'max-conns', 'backup', 'zone']
/** Where an instance is, and what leads to it. */
export const SITE_LABELS = [
  'upstream',
  'port',
  'host',
  'path',
  'strip-prefix',
  'tcp-port',
  'udp-port',
]
/** What the upstream has. */
export const UPSTREAM_LABELS = ['protocol', 'policy', 'check-path']
const NAMED = [...SITE_LABELS, ...TRAITS, ...UPSTREAM_LABELS]
const ALONE = ['enable', 'oneoff', 'network', 'drain', ...NAMED]

/** Whether any `sluice.*` label is there that Sluice knows; `sluice.enable=false` counts too. */
export function hasSluiceLabels(container: Container): boolean {
  return Object.keys(container.labels).some((key) => key.startsWith(PREFIX) && isKnown(key))
}

function isKnown(key: string): boolean {
  const [first = '', second, ...more] = key.slice(PREFIX.length).split('.')
  return second === undefined
    ? ALONE.includes(first)
    : more.length === 0 && foldName(first) !== undefined && NAMED.includes(second)
}

/** A warning for each `sluice.*` label that Sluice does not know. It asks for nothing. */
export function unknownLabels(container: Pick<Container, 'labels'>): string[] {
  const unknown = Object.keys(container.labels).filter(
    (key) => key.startsWith(PREFIX) && !isKnown(key),
  )
  return fewLines(unknown.sort(), unknownLabel)
}

const LONGEST_SHOWN = 100

function unknownLabel(key: string): string {
  const parts = key.slice(PREFIX.length, LONGEST_SHOWN).split('.')
  const last = nearest(parts.at(-1) ?? '', parts.length === 1 ? ALONE : NAMED)
  const meant = [...parts.slice(0, -1), last].join('.')
  const isHelp = last !== undefined && parts.length < 3 && `${PREFIX}${meant}` !== key
  const hint = !isHelp ? '' : `; the nearest is ${PREFIX}${meant}`
  return `${key.slice(0, LONGEST_SHOWN)} is no label that Sluice knows${hint}`
}

/** True for `sluice.enable=false`: the container is left alone, whatever else it says. */
export function isDisabled(container: Pick<Container, 'labels'>): boolean {
  return container.labels['sluice.enable']?.trim().toLowerCase() === 'false'
}

/** Whether `docker compose run` started it, and it does not say that it is to be served. */
export function isOneOff({ labels }: Container): boolean {
  const isTrue = (label: string) => labels[label]?.trim().toLowerCase() === 'true'
  return isTrue('com.docker.compose.oneoff') && !isTrue('sluice.oneoff')
}

/** True when `sluice.enable=true` is all that the labels say. */
export function isOnlyEnabled(container: Container): boolean {
  const keys = Object.keys(container.labels).filter((key) => key.startsWith(PREFIX) && isKnown(key))
  const enable = container.labels['sluice.enable']?.trim().toLowerCase()
  return keys.length === 1 && enable === 'true'
}

export interface Groups {
  alone: LabelFields
  named: Map<string, LabelFields>
}

export function group(labels: Container['labels']): Groups {
  const groups: Groups = { alone: new Map(), named: new Map() }
  const keys = Object.keys(labels).filter((key) => key.startsWith(PREFIX) && isKnown(key))
  for (const key of keys.sort()) {
    const value = (labels[key] ?? '').trim()
    const [first = '', second] = key.slice(PREFIX.length).split('.')
    if (second === undefined) {
      groups.alone.set(first, value)
    } else {
      const fields = groups.named.get(first) ?? new Map<string, string>()
      groups.named.set(first, fields.set(second, value))
    }
  }
  return groups
}
