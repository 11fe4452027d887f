/** Lanes of a gateway: their gates, and the configuration that nginx is given for them. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../../runtime/logger.js'
import type { Settings } from '../../runtime/config/settings.js'
import { checkConf } from '../fallback/ask-nginx.js'
import { findNginx } from '../fallback/find-nginx.js'
import type { CompiledView } from '../table/desired-table.js'
import { renderLanes } from './lane-conf.js'
import type { LaneFiles } from './lane-conf.js'
import { LaneWriter } from './lane-files.js'
import type { LanesView } from '../views.js'
import { Lanes } from './lanes.js'
import type { LanesOptions } from './lanes.js'

type Given = Pick<LanesOptions, 'isFenced' | 'isLevel' | 'inFlight' | 'onChange'>

export interface LaneGatewayOptions extends Given {
  settings: Settings
  log: Logger
  /** False while it is not known whether the desired state is to be believed. */
  isTrusted(): boolean
}

/** Of nginx's own files: what gates include. */
const INCLUDED = ['headers.conf', 'changed-headers.conf', 'merged-answers.conf']

/** All of it as `http{}` would have it. */
function candidate({ http, location, proxy, server }: LaneFiles, socketPath: string): string {
  const variables = ['after', 'changed_after', 'unmerged', 'refusal_mark']
  const acting = ['act_key', 'act_host', 'act_headers']
  const maps = [...variables, ...acting].map((each) => `map $host $sluice_${each} { default ''; }`)
  return `${maps.join('\n')}
${http}
server {
    listen "unix:${socketPath}";
    location / {
${location}    }
    location /own {
        set $sluice_upstream "";
${proxy}    }
${server}}
`
}

export class LaneGateway {
  readonly lanes: Lanes
  readonly #writer: LaneWriter
  #written: unknown

  constructor(options: LaneGatewayOptions) {
    const { settings, log } = options
    const { home, poolPort } = settings
    this.lanes = new Lanes({ ...options, home, most: settings.lanes })
    const render = (includes: string): LaneFiles =>
      renderLanes(this.lanes.plan, { home, poolPort, includes })
    this.#writer = new LaneWriter({
      ...{ home, log },
      isTrusted: () => options.isTrusted(),
      render: () => render(join(home, 'sluice')),
      check: () => check(settings, log, render),
    })
  }

  view(): LanesView {
    const { views } = this.lanes
    return {
      upstreams: views.all,
      counts: () => views.counts(),
      isWritten: this.#writer.isWritten,
      ofRequest: (request) => this.lanes.ofRequest(request),
    }
  }

  /** As of {@link Lanes.update}. */
  update(view: CompiledView): void {
    this.lanes.update(view)
    if (this.#written !== this.lanes.plan) {
      this.#written = this.lanes.plan
      this.#writer.offer()
    }
  }

  /** nginx was started anew, and may have put aside what it would not take. */
  nginxStarted(): void {
    this.lanes.nginxStarted()
    this.#writer.offer()
  }

  async close(): Promise<void> {
    this.lanes.close()
    await this.#writer.close()
  }
}

async function check(
  settings: Settings,
  log: Logger,
  render: (includes: string) => LaneFiles,
): Promise<void> {
  const nginx = findNginx(settings)
  if (nginx === undefined) {
    log.warn('there is no nginx to check the configuration of lanes with; set SLUICE_NGINX')
    return
  }
  await checkConf({ nginx, home: settings.home, isHop: true }, async (folder) => {
    for (const name of INCLUDED) {
      await writeFile(join(folder, name), '')
    }
    return candidate(render(folder), join(folder, 'f.sock'))
  })
}
