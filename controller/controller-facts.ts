/** What the controller knows that findings are made of. */
import type { ControllerForApi } from './controller-for-api.js'
import type { Agents } from './findings/agents.js'
import type { Facts } from './findings/facts.js'
import type { Serving } from './serving.js'

export interface FactsParts extends Pick<Facts, 'refused' | 'publishProblem'> {
  serving: Serving
  agents: Agents
}

export function factsOf(controller: ControllerForApi, parts: FactsParts): Facts {
  const { serving, agents, ...others } = parts
  return {
    ...others,
    settings: controller.settings,
    gatewayId: controller.gatewayId,
    desired: () => controller.desired(),
    conditionsOf: (upstream) => controller.conditionsOf(upstream),
    registryView: () => controller.registryView(),
    writeProblem: () => controller.registry.writeProblem(),
    gateways: () => controller.gateways(),
    suspects: () => controller.suspects(),
    partly: () => serving.state.partly(),
    agents: () => agents.views(),
    fileError: () => serving.gateway.fallback.error,
    tableFreeBytes: () => serving.gateway.figures().freeBytes,
  }
}
