/** Every command. */
import type { Command } from '../command.js'
import { agent } from './agent.js'
import { certificates } from './certificates.js'
import { check } from './check.js'
import { compile } from './compile.js'
import { conf } from './conf.js'
import { controller } from './controller.js'
import { drain, undrain } from './drain.js'
import { explain } from './explain.js'
import { importCommand } from './import.js'
import { deregister, instances, register } from './instances.js'
import { policy } from './policy.js'
import { routes } from './routes.js'
import { start } from './start.js'
import { gateways, status } from './status.js'
import { confirm, suspects } from './suspects.js'
import { update } from './update.js'
import { upstreams } from './upstreams.js'

/** In the order of the help. */
export const COMMANDS: Command[] = [
  ...[start, controller, agent, conf, check, importCommand, compile, update],
  ...[status, upstreams, policy, instances, register, deregister, drain, undrain],
  ...[routes, certificates, gateways, explain, suspects, confirm],
]
