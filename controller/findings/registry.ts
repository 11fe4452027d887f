/** Findings about the registry, and about what stands in it. */
import type { FindingSource } from './facts.js'

/** Each is one finding, so that one bad tool does not bury the rest. */
const MOST_SHOWN = 20

export const registryAway: FindingSource = ({ registryView }) => {
  const { kind, connected, syncedAtMs, reason } = registryView()
  if (connected) {
    return []
  }
  const why = reason === undefined ? '' : `: ${reason}`
  const message =
    `the registry (${kind}) cannot be reached${why}; ` +
    'requests are served as before, and no change can be made'
  return [
    { code: 'registry_away', message, ...(syncedAtMs !== undefined && { sinceAtMs: syncedAtMs }) },
  ]
}

export const registryFull: FindingSource = ({ registryView, writeProblem }) => {
  const problem = writeProblem()
  if (problem === undefined || !registryView().connected) {
    return []
  }
  const message = `the registry refuses changes: ${problem}; requests are served as before`
  return [{ code: 'registry_full', message }]
}

export const valuesRefused: FindingSource = ({ refused }) => {
  const all = refused()
  const shown = all.slice(0, MOST_SHOWN).map(({ key, message, sinceAtMs }) => {
    const means = 'it is served as it last was, or not at all'
    const what = `the value at ${key} is refused: ${message}; ${means}`
    return { code: 'values_refused' as const, subject: key, message: what, sinceAtMs }
  })
  if (all.length <= MOST_SHOWN) {
    return shown
  }
  const message = `${all.length - MOST_SHOWN} more values of the registry are refused; see the log`
  return [...shown, { code: 'values_refused', subject: '(others)', message }]
}

/** What this controller refuses too is said once. */
export const valuesRefusedElsewhere: FindingSource = ({ gateways, gatewayId, refused }) => {
  const own = new Set(refused().map(({ key }) => key))
  const others = gateways().filter(({ id }) => id !== gatewayId)
  return others
    .flatMap(({ id, refused: values = [] }) => values.map((value) => ({ id, ...value })))
    .filter(({ key }) => !own.has(key))
    .slice(0, MOST_SHOWN)
    .map(({ id, key, message }) => {
      const means = 'there it is served as it last was, or not at all'
      const what = `gateway ${id} refuses the value at ${key}: ${message}; ${means}`
      return { code: 'values_refused', subject: `${key} at ${id}`, message: what }
    })
}

export const fieldsUnknown: FindingSource = ({ partly }) =>
  partly()
    .slice(0, MOST_SHOWN)
    .map(({ key, message, sinceAtMs }) => {
      const what = `the value at ${key} has fields that this version does not know: ${message}`
      const means = 'it is served without them'
      return { code: 'fields_unknown', subject: key, message: `${what}; ${means}`, sinceAtMs }
    })

export const removalsHeld: FindingSource = ({ suspects }) =>
  suspects().map(({ upstream, instances, reason, sinceAtMs }) => ({
    code: 'removals_held' as const,
    ...(upstream !== '' && { subject: upstream }),
    message: `lost at once, and kept in service for now: ${instances.length} (${reason})`,
    sinceAtMs,
  }))
