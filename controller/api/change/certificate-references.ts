/** Whether upstreams and the certificates that they show to their instances fit together. */
import { parseKey, printKey } from '../../../contract/keys.js'
import { SluiceError } from '../../../runtime/errors.js'
import type { Draft, Write } from './draft.js'
import type { Contradiction } from './routes.js'

/** Looked at when all is planned, so that a batch may name them in any order. */
export async function findUnmatched(draft: Draft): Promise<Contradiction | undefined> {
  for (const write of draft.writes()) {
    const error = await problemOf(draft, write)
    if (error !== undefined) {
      return { call: write.call, error }
    }
  }
  return undefined
}

async function problemOf(draft: Draft, write: Write): Promise<SluiceError | undefined> {
  const key = parseKey(write.key)
  if (key?.kind === 'upstreams') {
    return upstreamProblem(draft, shownBy(write.record))
  }
  return key?.kind === 'certificates' && !isForInstances(write.record)
    ? certificateProblem(draft, key.id, write.record === undefined)
    : undefined
}

async function upstreamProblem(
  draft: Draft,
  id: string | undefined,
): Promise<SluiceError | undefined> {
  const record =
    id === undefined ? undefined : await draft.read(printKey({ kind: 'certificates', id }))
  if (id === undefined || isForInstances(record)) {
    return undefined
  }
  const what =
    record === undefined
      ? `there is no certificate ${id}`
      : `certificate ${id} is for the gateway's clients; put it with client: true to show it to instances`
  return new SluiceError('invalid', `tls.certificate: ${what}`, { field: 'tls.certificate' })
}

/** One that goes, or is no longer for instances, must be shown by nobody. */
async function certificateProblem(
  draft: Draft,
  id: string,
  isLeaving: boolean,
): Promise<SluiceError | undefined> {
  if (!isForInstances(await draft.stored(printKey({ kind: 'certificates', id })))) {
    return undefined
  }
  for (const key of await draft.keysUnder('upstreams/')) {
    if (shownBy(await draft.read(key)) === id) {
      const upstream = key.slice('upstreams/'.length)
      const what = `upstream ${upstream} shows certificate ${id} to its instances`
      return isLeaving
        ? new SluiceError('conflict', `${what}; take its tls.certificate away first`)
        : new SluiceError('conflict', `${what}, so client must stay true`, { field: 'client' })
    }
  }
  return undefined
}

function shownBy(upstream: unknown): string | undefined {
  return (upstream as { tls?: { certificate?: string } } | null | undefined)?.tls?.certificate
}

function isForInstances(certificate: unknown): boolean {
  return (certificate as { client?: unknown } | null | undefined)?.client === true
}
