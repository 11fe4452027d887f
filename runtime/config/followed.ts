/** Whether there is anything for an agent to follow. */
import type { Settings } from './settings.js'

type Named = Pick<Settings, 'docker' | 'files' | 'consul' | 'etcdKeys'>

/** Whether settings name a source: without one, no agent is needed. */
export function hasSources({ docker, files, consul, etcdKeys }: Named): boolean {
  return docker !== 'off' || [files, consul, etcdKeys].some((source) => source !== undefined)
}
