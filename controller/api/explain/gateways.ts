/**
 * Which gateways have what is explained. An explanation is of the registry's state, which a gateway
 * may not have yet.
 */
import type { GatewayView } from '../../views.js'

export interface ExplainedGateway {
  id: string
  /** Revision that it has, and the one that is explained. */
  applied: number
  desired: number
  connected: boolean
  /** Whether it surely does as explained. */
  current: boolean
  /** Why it is not current, for people, where that is known. */
  reason?: string
  /** Instances of the explanation that are down for this gateway, by `<upstream>/<id>`, and why. */
  down: Record<string, string>
}

/** `peers` are those of the explanation: `{upstream, id}`. `why` is added to. */
export function explainGateways(
  gateways: readonly GatewayView[],
  revision: number,
  peers: ReadonlyArray<Record<string, unknown>>,
  why: string[],
): ExplainedGateway[] {
  const names = peers.map(({ upstream, id }) => `${String(upstream)}/${String(id)}`)
  return gateways.map((gateway) => {
    const shown = explainOne(gateway, revision, names)
    if (!shown.current) {
      why.push(staleText(shown))
    }
    return shown
  })
}

function explainOne(gateway: GatewayView, desired: number, names: string[]): ExplainedGateway {
  const { id, applied, connected, conditions, reason } = gateway
  const current = connected && applied >= desired
  const down = names.flatMap((name): Array<[string, string]> => {
    const condition = conditions[name]
    return condition?.state === 'down' ? [[name, condition.reason]] : []
  })
  return {
    ...{ id, applied, desired, connected, current },
    ...(!current && reason !== undefined && { reason }),
    down: Object.fromEntries(down),
  }
}

function staleText({ id, applied, desired, connected, reason }: ExplainedGateway): string {
  const because = reason === undefined ? '' : ` (${reason})`
  return connected
    ? `gateway ${id} has revision ${applied}, not ${desired}${because}: it may still do otherwise`
    : `gateway ${id} is not connected${because}: what it does is not known`
}
