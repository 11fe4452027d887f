// Failures and counts in a real nginx, without requests that fail: the server that writes them, and
// its client.
import { join } from 'node:path'
import * as esbuild from 'esbuild'
import { ask } from '../../lab/ask.js'
import type { GatewayOptions } from '../../lab/nginx/gateway.js'
import { repository } from '../../lab/tools.js'

/** To be spread into the options of a gateway. */
export const withEventWriter: Required<Pick<GatewayOptions, 'conf' | 'prepare'>> = {
  conf: (port) => `
    server {
      listen 127.0.0.1:${port};
      js_import event_writer from "$HOME/logs/event-writer.js";
      location /append { js_content event_writer.append; }
      location /count { js_content event_writer.count; }
    }`,
  prepare: async (home) => {
    const { njs } = (await import(join(repository, 'scripts/build.mjs'))) as {
      njs: esbuild.BuildOptions
    }
    const entryPoints = [join(repository, 'test/support/njs-events.ts')]
    await esbuild.build({ ...njs, entryPoints, outfile: join(home, 'logs/event-writer.js') })
  },
}

export interface EventWriter {
  failed(sid: string, times?: number): Promise<void>
  passed(sid: string): Promise<void>
  /** Adds to a key of the load; answers its value, `-` for none. */
  count(key: string, by?: number): Promise<string>
}

export function eventWriter(userPort: number): EventWriter {
  const call = async (path: string): Promise<string> => {
    const answer = await ask({ port: userPort, path })
    if (answer.status !== 200) {
      throw new Error(`${path}: ${answer.status}`)
    }
    return answer.body
  }
  return {
    failed: async (sid, times = 1) => void (await call(`/append?text=f${sid}&times=${times}`)),
    passed: async (sid) => void (await call(`/append?text=p${sid}`)),
    count: (key, by) => call(`/count?key=${key}${by === undefined ? '' : `&by=${by}`}`),
  }
}
