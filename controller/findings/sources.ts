/** Every source of findings. */
import { agentProblems, enginesAway, sourceTroubles } from './agents.js'
import { certificatesEnding } from './certificates.js'
import { dnsStale } from './dns.js'
import type { FindingSource } from './facts.js'
import {
  files,
  gatewayUnpublished,
  gatewaysAway,
  nginxOld,
  streamAway,
  tableNearlyFull,
} from './gateways.js'
import {
  fieldsUnknown,
  registryAway,
  registryFull,
  removalsHeld,
  valuesRefused,
  valuesRefusedElsewhere,
} from './registry.js'
import { upstreamsDown } from './upstreams.js'

export const SOURCES: readonly FindingSource[] = [
  registryAway,
  registryFull,
  valuesRefused,
  valuesRefusedElsewhere,
  fieldsUnknown,
  removalsHeld,
  certificatesEnding,
  upstreamsDown,
  dnsStale,
  gatewaysAway,
  gatewayUnpublished,
  streamAway,
  nginxOld,
  tableNearlyFull,
  files,
  enginesAway,
  agentProblems,
  sourceTroubles,
]
