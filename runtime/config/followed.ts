/** Whether there is anything for an agent to follow. */
import type { Settings } from './settings.js'

/** Whether settings name a source: without one, no agent is needed. */
export function hasSources({ docker, files }: Pick<Settings, 'docker' | 'files'>): boolean {
  return docker !== 'off' || files !== undefined
}
