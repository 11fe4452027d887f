/** `sluice controller`. */
import { ensureNginx } from '../../setup/nginx.js'
import type { Command } from '../command.js'
import { lockHome } from '../start/home-lock.js'
import { makeHomeFolders, openHome } from '../start/home.js'
import { endWithSupervisor } from '../start/end-with-supervisor.js'

export const controller: Command = {
  name: 'controller',
  usage: '',
  positionals: [0, 0],
  summary: 'keep this machine’s nginx up to date with the registry, and serve the API',
  options: {},
  settings: 'all',
  serves: () => true,
  async run({ config, print }) {
    endWithSupervisor()
    const { home, mode, nginx } = config.settings
    // Whoever started this process with a channel has looked at nginx already.
    if (mode === 'gateway' && nginx !== undefined && !process.connected) {
      await ensureNginx({ home, nginx, say: print })
    }
    makeHomeFolders(home)
    const lock = await lockHome(home, 'controller')
    const settings = await openHome(config.settings)
    const { runController } = await import('../../controller/main.js')
    await runController(settings)
    await lock.release()
    // What did not close in time ends here.
    process.exit(0)
  },
}
