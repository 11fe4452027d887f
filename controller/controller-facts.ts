/** What the controller knows that findings are made of. */
import type { Registry } from '../registry/registry.js'
import type { Agents } from './findings/agents.js'
import type { Facts } from './findings/facts.js'
import type { GatewaySet } from './gateways/gateway-set.js'
import type { RegistryFollower } from './registry-follower.js'
import type { Serving } from './serving.js'

type Given = 'settings' | 'gatewayId' | 'refused' | 'publishProblem'

export interface FactsParts extends Pick<Facts, Given> {
  registry: Registry
  serving: Serving
  agents: Agents
  gateways: GatewaySet
  follower: RegistryFollower
}

export function factsOf(parts: FactsParts): Facts {
  const { registry, serving, agents, gateways, follower, ...given } = parts
  return {
    ...given,
    desired: () => serving.desired(),
    conditionsOf: (upstream) => serving.gateway.health.conditionsOf(upstream),
    registryView: () => follower.view(),
    writeProblem: () => registry.writeProblem(),
    gateways: () => gateways.views(),
    suspects: () => serving.suspects(),
    partly: () => serving.state.partly(),
    dnsNames: () => serving.dnsNames(),
    agents: () => agents.views(),
    fileError: () => serving.gateway.fallback.error,
    tableFreeBytes: () => serving.gateway.figures().freeBytes,
  }
}
