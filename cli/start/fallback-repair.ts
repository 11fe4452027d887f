/**
 * Repairs what the controller wrote for nginx, the fallback files and the lanes: whatever they
 * hold, they must not keep nginx from starting.
 */
import { readdirSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { recoverSealed } from '../../runtime/sealed-file.js'
import { messageOf } from '../../runtime/errors.js'
import { putLanesAside, takeLanesBack } from './home-lanes.js'
import { testConf } from './home-nginx.js'
import type { NginxFiles } from './home-nginx.js'

type Print = (line: string) => void

/** The files that nginx includes, by absolute path. */
export function fallbackFiles(home: string): string[] {
  const folder = join(home, 'fallback')
  try {
    const names = readdirSync(folder).filter((name) => /^(sluice|stream)-.*\.conf$/.test(name))
    return names.map((name) => join(folder, name))
  } catch {
    // Without the folder there is no fallback, and whoever needs it makes it.
    return []
  }
}

/** Damaged ones give way to the generation before. True when any was. */
async function recoverDamaged(home: string, print: Print): Promise<boolean> {
  let isAny = false
  for (const path of fallbackFiles(home)) {
    const { wasDamaged, isPrevious } = await recoverSealed(path, statSync(path).mode & 0o777)
    if (wasDamaged) {
      const now = isPrevious ? 'the one before takes its place' : 'nginx starts without it'
      print(`the fallback file ${path} is damaged; ${now}`)
      isAny = true
    }
  }
  return isAny
}

/**
 * Sound files that this nginx refuses all the same are put aside, until the controller writes
 * others.
 */
function putAside(home: string, print: Print): boolean {
  const files = fallbackFiles(home)
  for (const path of files) {
    renameSync(path, `${path}.refused`)
    print(`nginx refuses the configuration with the fallback file ${path}; it is put aside`)
  }
  return files.length > 0
}

/**
 * Rejects with nginx's own words when it refuses its configuration even without a fallback. Lanes
 * are put aside only where nginx takes the rest: not every refusal names the file that it is of.
 */
export async function testWithFallback(place: NginxFiles, print: Print): Promise<void> {
  try {
    await testRepairing(place, print)
  } catch (error) {
    const { home } = place
    if (!putLanesAside(home)) {
      throw error
    }
    try {
      await testRepairing(place, print)
    } catch {
      takeLanesBack(home)
      throw error
    }
    print(
      `${messageOf(error)}. It takes it without the lanes of ${home}/compiled; they are put aside`,
    )
  }
}

/** Repairs the fallback as long as nginx's refusal names it. */
async function testRepairing(place: NginxFiles, print: Print): Promise<void> {
  const { home } = place
  const steps = [() => recoverDamaged(home, print), async () => putAside(home, print)]
  for (;;) {
    try {
      return await testConf(place)
    } catch (error) {
      const step = messageOf(error).includes(join(home, 'fallback')) ? steps.shift() : undefined
      if (step === undefined) {
        throw error
      }
      await step()
    }
  }
}
