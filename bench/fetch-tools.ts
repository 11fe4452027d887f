/**
 * Fetches the programs of others that tests and the bench run: those first that most tests wait
 * for. Each group is named on standard output once it is there.
 */
import { consulProgram, dockerTools, examplePrograms, tools } from '../lab/tools.js'
import { caddy, haproxy, luaNginx } from './rig/fetched.js'
import { ensureWrk } from './load/wrk.js'
import { ensureTracers } from './trace/tracers.js'

const say = (line: string): void => console.log(`tools: ${line}`)

const GROUPS: Record<string, () => Promise<unknown>> = {
  nginx: () => tools(say),
  docker: () => dockerTools(say),
  bench: async () => {
    await ensureWrk(say)
    await ensureTracers(say)
    await luaNginx(say)
    await haproxy(say)
    await caddy(say)
  },
  consul: () => consulProgram(say),
  examples: () => examplePrograms(say),
}

const wanted = process.argv.slice(2)
for (const [name, fetch] of Object.entries(GROUPS)) {
  if (wanted.includes(name)) {
    await fetch()
    console.log(`tools: ${name} is there`)
  }
}
