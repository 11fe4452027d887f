/** `sluice compile`. */
import { readFileSync } from 'node:fs'
import { homePaths } from '../../nginx/home-paths.js'
import { SluiceError } from '../../runtime/errors.js'
import { pause } from '../../runtime/retry.js'
import { pathOf } from '../client.js'
import type { ApiClient } from '../client.js'
import type { Command } from '../command.js'
import { laneCountsText, servedBy } from '../lane-text.js'
import type { LaneCounts, LaneView } from '../lane-text.js'
import { nginxFiles } from '../nginx-files.js'
import { countLanes } from '../start/home-lanes.js'
import { findMaster, reloadSeen, testConf } from '../start/home-nginx.js'
import type { NginxFiles } from '../start/home-nginx.js'
import { runningPath } from '../start/nginx-keeper.js'

/** The controller gathers changes for a second before it writes them, and asks nginx about them. */
const WRITTEN_MS = 20_000
/** nginx asks who is in a lane as soon as it has it. It takes a second or two to be sure. */
const OPEN_MS = 5000
const ASKED_MS = 1000
const LOOK_MS = 100

interface Reason {
  state: LaneView['state']
  reason: string
  upstreams: number
}

async function getLanes(client: ApiClient): Promise<LaneCounts> {
  const answer = await client.call({ method: 'GET', path: pathOf('status') })
  const { lanes } = answer as { lanes?: LaneCounts }
  if (lanes === undefined) {
    const message =
      'this gateway compiles nothing: that is for SLUICE_COMPILED=auto (--compiled), and for an nginx that keeps connections to instances (1.29.6 or newer)'
    throw new SluiceError('conflict', message)
  }
  return lanes
}

/** Waits until the configuration has the lanes that there are now. */
async function untilWritten(client: ApiClient): Promise<void> {
  const endsAtMs = performance.now() + WRITTEN_MS
  while (!(await getLanes(client)).written) {
    if (performance.now() > endsAtMs) {
      const message = `nginx is not reloaded: the controller has not written the lanes within ${WRITTEN_MS / 1000} s; its log says why`
      throw new SluiceError('internal', message)
    }
    await pause(LOOK_MS)
  }
}

/**
 * Resolves when as many lanes are open as nginx has, or when it has been time enough for that. Open
 * gates close when new workers ask who is in a lane, so these are given time to ask.
 */
async function untilOpen(client: ApiClient, lanes: number): Promise<LaneCounts> {
  await pause(ASKED_MS)
  const endsAtMs = performance.now() + OPEN_MS
  for (;;) {
    const now = await getLanes(client)
    if (now.open >= lanes || performance.now() > endsAtMs) {
      return now
    }
    await pause(LOOK_MS)
  }
}

/** The home's nginx that runs, whichever executable that is. */
function runningNginx(settings: Parameters<typeof nginxFiles>[0]): [NginxFiles, pid: number] {
  const path = runningPath(settings.home)
  const place = nginxFiles(settings, path)
  const pid = findMaster(place)
  if (path === undefined || pid === undefined) {
    const message = `no nginx of "sluice start" runs in ${settings.home}. One with an nginx.conf of yours takes the lanes when you reload it: nginx -t && nginx -s reload`
    throw new SluiceError('gateway_unavailable', message)
  }
  return [place, pid]
}

/** Throws `conflict` where the files of nginx are of settings without lanes. */
function requireIncluded({ home }: NginxFiles): void {
  const { includes, compiled } = homePaths(home)
  if (!readFileSync(`${includes}/http.conf`, 'utf8').includes(`${compiled}/`)) {
    const message = `nginx's files in ${includes} take no lanes: they are of other settings than the controller's`
    throw new SluiceError('conflict', message)
  }
}

/** Why upstreams are not served by nginx alone; what most of them have comes first. */
async function getReasons(client: ApiClient): Promise<Reason[]> {
  const answer = await client.call({ method: 'GET', path: pathOf('upstreams') })
  const { upstreams } = answer as { upstreams: Array<{ lane?: LaneView }> }
  const found = new Map<string, Reason>()
  for (const { lane } of upstreams) {
    if (lane?.reason !== undefined) {
      const { state, reason } = lane
      const one = found.get(`${state} ${reason}`) ?? { state, reason, upstreams: 0 }
      one.upstreams += 1
      found.set(`${state} ${reason}`, one)
    }
  }
  return [...found.values()].sort((a, b) => b.upstreams - a.upstreams)
}

export const compile: Command = {
  name: 'compile',
  usage: '',
  positionals: [0, 0],
  summary: 'reload nginx once: from then on it serves alone whatever does not need the table',
  options: {},
  settings: 'all',
  async run({ config, connect, print, json }) {
    const client = connect()
    await getLanes(client)
    const [place, pid] = runningNginx(config.settings)
    requireIncluded(place)
    await untilWritten(client)
    await testConf(place)
    const taken = countLanes(place.home)
    await reloadSeen(place, pid)
    const counts = await untilOpen(client, taken.lanes)
    const reasons = await getReasons(client)
    if (json) {
      const { open, closed, none } = counts
      print(JSON.stringify({ ...taken, open, closed, none, reasons }))
      return 0
    }
    print(`nginx (pid ${pid}) is reloaded; lanes: ${taken.lanes}, gates: ${taken.gates}`)
    print(laneCountsText(counts))
    reasons.forEach(({ state, reason, upstreams }) =>
      print(`  ${upstreams} ${servedBy(state)}: ${reason}`),
    )
    return 0
  },
}
