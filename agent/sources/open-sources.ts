/** The sources that settings name. A new one is added here, and nowhere else in the agent. */
import type { Logger } from '../../runtime/logger.js'
import type { Settings } from '../../runtime/config/settings.js'
import type { AgentMachine } from '../plan/instance-address.js'
import { openConsul } from './consul/consul.js'
import { openKeysSource } from './etcd-keys/etcd-keys.js'
import { FilesSource } from './files/files-source.js'
import type { Source } from './source.js'

/** Besides the container engine. Opens nothing yet; in the order in which the first wins. */
export function openSources(settings: Settings, machine: AgentMachine, log: Logger): Source[] {
  const { agent, allowLoopback } = machine
  const { files: folder, consul, etcdKeys } = settings
  return [
    ...(folder === undefined
      ? []
      : [new FilesSource({ folder, agent, addresses: { allowLoopback } })]),
    ...(consul === undefined ? [] : [openConsul({ ...consul, machine, log })]),
    ...(etcdKeys === undefined ? [] : [openKeysSource({ ...etcdKeys, machine, log })]),
  ]
}
