/**
 * A process of its own that writes to an embedded registry until it is killed. Each line it prints
 * is true once printed: `ack <key>` was committed, `broken` a commit failed, `healed` one went
 * through again.
 */
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { openEmbedded } from '../../registry/embedded/registry.js'
import type { Registry } from '../../registry/registry.js'
import { silentLogger as log } from '../../runtime/logger.js'

const [folder = '', name = '', bytes = '200', writers = '8'] = process.argv.slice(2)

function say(word: string): void {
  // Straight to the pipe: a line that a kill can still take back would be no acknowledgement.
  writeSync(1, `${word}\n`)
}

async function write(registry: Registry, writer: number): Promise<void> {
  let broken = false
  for (let i = 0; ; i++) {
    const key = `instances/${name}/${writer}-${i}`
    try {
      await registry.commit([
        { type: 'put', key, value: 'v'.repeat(Number(bytes)) },
        { type: 'put', key: `${key}-twin`, value: key },
      ])
    } catch {
      if (!broken) {
        say('broken')
      }
      broken = true
      await sleep(100)
      continue
    }
    if (broken) {
      say('healed')
    }
    broken = false
    say(`ack ${key}`)
  }
}

const registry = await openEmbedded({ folder, log })
registry.watch([''], {
  onListing: () => say('listing'),
  onChanges: () => undefined,
  onConnected: (connected) => say(connected ? 'connected' : 'disconnected'),
})
await Promise.all(Array.from({ length: Number(writers) }, (_, i) => write(registry, i)))
