/** The sources that settings name. A new one is added here, and nowhere else in the agent. */
import type { Settings } from '../../runtime/config/settings.js'
import type { AgentMachine } from '../plan/instance-address.js'
import { FilesSource } from './files/files-source.js'
import type { Source } from './source.js'

/** Besides the container engine. Opens nothing yet; in the order in which the first wins. */
export function openSources(settings: Settings, machine: AgentMachine): Source[] {
  const { agent, allowLoopback } = machine
  const { files: folder } = settings
  return [
    ...(folder === undefined
      ? []
      : [new FilesSource({ folder, agent, addresses: { allowLoopback } })]),
  ]
}
