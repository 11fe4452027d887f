/** Every source of findings. */
import { enginesAway } from './agents.js'
import { certificates } from './certificates.js'
import type { Source } from './facts.js'
import { files, gatewaysAway, streamAway, tableNearlyFull } from './gateways.js'
import { registryAway, removalsHeld, valuesRefused } from './registry.js'
import { upstreamsDown } from './upstreams.js'

export const SOURCES: readonly Source[] = [
  registryAway,
  valuesRefused,
  removalsHeld,
  certificates,
  upstreamsDown,
  gatewaysAway,
  streamAway,
  tableNearlyFull,
  files,
  enginesAway,
]
