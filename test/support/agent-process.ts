/** The process of an agent: `node agent-process.ts <settings as JSON>`. */
import { runAgent } from '../../agent/main.js'
import type { Settings } from '../../runtime/config/settings.js'

await runAgent(JSON.parse(process.argv[2] ?? '{}') as Settings)
// What is left then is IPC, which would keep it alive.
process.disconnect?.()
