/** `sluice update`. */
import { join } from 'node:path'
import { tryLock } from '../../runtime/lock.js'
import { renewPrivateNginx } from '../../setup/nginx.js'
import { UsageError } from '../usage-error.js'
import type { Command } from '../command.js'
import { makeHomeFolders } from '../start/home.js'

export const update: Command = {
  name: 'update',
  usage: '',
  positionals: [0, 0],
  summary: 'fetch the newest private nginx, which takes over while it serves',
  options: {},
  settings: 'all',
  async run({ config, print }) {
    const { home, nginx } = config.settings
    if (nginx !== undefined) {
      throw new UsageError(`nginx at ${nginx} is yours: renew it as you installed it`)
    }
    makeHomeFolders(home)
    const { version, njs } = await renewPrivateNginx(home, print)
    print(`nginx ${version} with njs ${njs} is in the home`)
    const lock = await tryLock(join(home, 'run', 'nginx.lock'))
    if ('release' in lock) {
      await lock.release()
      print('the next "sluice start" runs it')
    } else if (lock.pid !== undefined) {
      const { RENEW } = await import('../start/supervisor.js')
      process.kill(lock.pid, RENEW)
      print(`"sluice start" (pid ${lock.pid}) puts it in the place of what runs, and says so`)
    }
    return 0
  },
}
