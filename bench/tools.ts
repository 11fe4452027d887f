/** Fetches the programs that only the bench needs, so that its tests need not wait for them. */
import { caddy, haproxy, luaNginx } from './rig/fetched.js'
import { ensureWrk } from './load/wrk.js'
import { ensureTracers } from './trace/tracers.js'

const say = (line: string): void => console.log(`tools: ${line}`)

await ensureWrk(say)
await ensureTracers(say)
await luaNginx(say)
await haproxy(say)
await caddy(say)
