import { isOn } from '../command.js'
import type { Command } from '../command.js'
import { endWithSupervisor } from '../start/with-supervisor.js'

export const agent: Command = {
  name: 'agent',
  usage: '',
  positionals: [0, 0],
  summary: 'put this machine’s containers into the registry',
  options: {
    print: { type: 'boolean', means: 'print what it would register, and why, for each container' },
  },
  settings: 'all',
  async run({ config, flags, print }) {
    const { runAgent, printAgent } = await import('../../agent/main.js')
    if (isOn(flags, 'print')) {
      print((await printAgent(config.settings)).trimEnd())
      return 0
    }
    endWithSupervisor()
    await runAgent(config.settings)
    // What did not close in time ends here.
    process.exit(0)
  },
}
