/** `sluice agent`. */
import { systemCode } from '../../runtime/errors.js'
import type { Lock } from '../../runtime/lock.js'
import { isOn } from '../command.js'
import type { Command } from '../command.js'
import { lockHome } from '../start/home-lock.js'
import { endWithSupervisor } from '../start/end-with-supervisor.js'

/** An agent whose home cannot be written to keeps nothing there, and needs no lock. */
async function lockAgent(home: string): Promise<Lock | undefined> {
  try {
    return await lockHome(home, 'agent')
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes(systemCode(error) ?? '')) {
      return undefined
    }
    throw error
  }
}

export const agent: Command = {
  name: 'agent',
  usage: '',
  positionals: [0, 0],
  summary: 'register this machine’s containers',
  options: {
    print: { type: 'boolean', means: 'print what it would register, and why, for each container' },
  },
  settings: 'all',
  serves: (flags) => !isOn(flags, 'print'),
  async run({ config, flags, print }) {
    const { runAgent, printAgent } = await import('../../agent/main.js')
    if (isOn(flags, 'print')) {
      print((await printAgent(config.settings)).trimEnd())
      return 0
    }
    endWithSupervisor()
    const lock = await lockAgent(config.settings.home)
    await runAgent(config.settings)
    await lock?.release()
    // What did not close in time ends here.
    process.exit(0)
  },
}
