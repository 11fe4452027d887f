/** All parts of the bench, and how one of them is run. */
import { makeTemporaryFolder, removeFolder } from '../lab/temp.js'
import { applyPart } from './parts/apply.js'
import { changesPart } from './parts/changes.js'
import { checksPart } from './parts/checks.js'
import { churnPart } from './parts/churn.js'
import { fairnessPart } from './parts/fairness.js'
import { handshakePart } from './parts/handshake.js'
import { instructionsPart } from './parts/instructions.js'
import { keptPeersPart } from './parts/kept-peers.js'
import { lanesPart } from './parts/lanes.js'
import { latencyPart } from './parts/latency.js'
import { luaPart } from './parts/lua.js'
import { manyPart } from './parts/many.js'
import { memoryPart } from './parts/memory.js'
import { proxiesPart } from './parts/proxies.js'
import { pickPart } from './parts/pick.js'
import { reloadPart } from './parts/reload.js'
import { routesPart } from './parts/routes.js'
import { scalePart } from './parts/scale.js'
import { slowOnePart } from './parts/slow-one.js'
import { tcpPart } from './parts/tcp.js'
import { throughputPart } from './parts/throughput.js'
import { visiblePart } from './parts/visible.js'
import { requestKindsPart } from './parts/request-kinds.js'
import { workersPart } from './parts/workers.js'
import { withCleanup } from './rig/clean-up.js'
import type { PartResult, Part } from './report/report.js'

export const PARTS = [
  visiblePart,
  changesPart,
  reloadPart,
  throughputPart,
  workersPart,
  latencyPart,
  churnPart,
  luaPart,
  proxiesPart,
  instructionsPart,
  applyPart,
  pickPart,
  checksPart,
  scalePart,
  routesPart,
  requestKindsPart,
  keptPeersPart,
  lanesPart,
  handshakePart,
  tcpPart,
  memoryPart,
  manyPart,
  fairnessPart,
  slowOnePart,
]

/** Progress goes to stderr, so that stdout can be kept as it is. */
export async function runPart(part: Part): Promise<PartResult> {
  const folder = makeTemporaryFolder('bench')
  const say = (line: string): void => console.error(`${part.name}: ${line}`)
  try {
    return await withCleanup({ folder, say }, (bench) => part.run(bench))
  } finally {
    removeFolder(folder)
  }
}
