/** Keys of an etcd as a source: what registrator, confd, upsync and gRPC's naming write there. */
import type { EtcdKeysSettings } from '../../../runtime/config/settings.js'
import type { Logger } from '../../../runtime/logger.js'
import { untilAborted } from '../../../runtime/retry.js'
import { applyChange } from '../../../registry/operations.js'
import { openEtcdKeys } from '../../../registry/etcd/keys.js'
import type { EtcdKeys } from '../../../registry/etcd/keys.js'
import type { RegistryEntry } from '../../../registry/registry.js'
import type { SourceMachine } from '../level-draft.js'
import type { Source, SourceHandlers, SourceLevel } from '../source.js'
import { makeKeysLevel } from './keys-level.js'

export interface KeysOptions extends EtcdKeysSettings {
  machine: SourceMachine
  log: Logger
}

/** Reaches nothing yet. Throws `invalid` for a URL that is none. */
export function openKeysSource(options: KeysOptions): Source {
  return {
    name: 'etcd',
    address: options.url,
    run: (signal, handlers) => followKeys(options, signal, handlers),
    readOnce: () => readKeys(options),
  }
}

/** `etcd://a:2379,b/services` → `{url: 'etcd://a:2379,b', prefix: '/services/'}` */
function openKeys({ url, etcd: settings, log }: KeysOptions): EtcdKeys {
  const [, server = url, path = ''] = /^([a-z]+:\/\/[^/]*)(\/.*)$/.exec(url) ?? []
  return openEtcdKeys({ url: server, prefix: `${path.replace(/\/+$/, '')}/`, settings, log })
}

function levelOf(entries: Iterable<RegistryEntry>, machine: SourceMachine): SourceLevel {
  const values = [...entries].map(({ key, value }) => [key, value] as const)
  return makeKeysLevel(new Map(values), machine)
}

async function readKeys(options: KeysOptions): Promise<SourceLevel> {
  const keys = openKeys(options)
  try {
    return levelOf((await keys.list()).entries, options.machine)
  } finally {
    await keys.close()
  }
}

/** Changes that come together make one level. */
const TOGETHER_MS = 10

async function followKeys(
  options: KeysOptions,
  signal: AbortSignal,
  handlers: SourceHandlers,
): Promise<void> {
  const keys = openKeys(options)
  let known = new Map<string, RegistryEntry>()
  let timer: NodeJS.Timeout | undefined
  const schedule = () => {
    timer ??= setTimeout(() => {
      timer = undefined
      handlers.onLevel(levelOf(known.values(), options.machine))
    }, TOGETHER_MS)
  }
  const watch = keys.watch({
    onListing: ({ entries }) => {
      known = new Map(entries.map((entry) => [entry.key, entry]))
      schedule()
    },
    onChanges: (changes) => {
      changes.forEach((change) => applyChange(known, change))
      schedule()
    },
    onConnected: (isConnected, reason) =>
      handlers.onAway(isConnected ? undefined : (reason ?? 'etcd is out of reach')),
  })
  await untilAborted(signal)
  clearTimeout(timer)
  await watch.close()
  await keys.close()
}
