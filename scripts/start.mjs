// `npm start`: installs, builds, and becomes `sluice start`.
import { buildIfStale, install, requireNode } from './prepare.mjs'

const say = (line) => console.log(`sluice: ${line}`)

requireNode(20)
try {
  install(say)
  await buildIfStale(say)
} catch (error) {
  console.error(`sluice: ${error.message}`)
  process.exit(1)
}

// In this same process, so that a signal sent to npm reaches the supervisor itself.
process.argv.splice(1, 1, 'sluice', 'start')
await import('../dist/sluice.js')
