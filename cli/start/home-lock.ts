/** Who works in a home: one process for each role. */
import { join } from 'node:path'
import { SluiceError } from '../../runtime/errors.js'
import { tryLock } from '../../runtime/lock.js'
import type { Lock } from '../../runtime/lock.js'
import { refuseLongPath } from './home.js'

/** `nginx`: its files, and the nginx itself where it is Sluice's own. */
export type HomePart = 'nginx' | 'controller' | 'agent'

const TAKEN: Record<HomePart, string> = {
  nginx: 'Sluice is already running in this home',
  controller: 'a controller is already running in this home',
  agent: 'an agent is already running in this home',
}

/** A supervisor holds the locks of all that it starts; its channel says that it still lives. */
function isSupervisor(pid: number | undefined): boolean {
  return process.connected === true && pid === process.ppid
}

/**
 * Takes all of `roles` of the home. It comes before anything of the home is touched. Rejects with
 * `conflict` when another process has one of them; none is held then.
 */
export async function lockHome(home: string, ...roles: HomePart[]): Promise<Lock> {
  refuseLongPath(home)
  const locks: Lock[] = []
  const release = async () => {
    await Promise.all(locks.map((lock) => lock.release()))
  }
  for (const role of roles) {
    const got = await tryLock(join(home, 'run', `${role}.lock`))
    if ('release' in got) {
      locks.push(got)
      if (process.send !== undefined) {
        // Whoever started this part held the lock, so it has ended: the next one is to have it.
        await release()
        throw new SluiceError('conflict', 'the supervisor of this part has ended')
      }
    } else if (!isSupervisor(got.pid)) {
      await release()
      const who = got.pid === undefined ? '' : ` (pid ${got.pid})`
      const message = `${TAKEN[role]}: ${home}${who}. Stop it, or name another home with --home`
      throw new SluiceError('conflict', message)
    }
  }
  return { wasHeld: locks.some(({ wasHeld }) => wasHeld), release }
}
