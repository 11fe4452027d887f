/** `sluice start`. */
import type { Command } from '../command.js'

export const start: Command = {
  name: 'start',
  usage: '',
  positionals: [0, 0],
  summary: 'run nginx, controller and agent on this machine',
  options: {},
  settings: 'all',
  serves: () => true,
  async run({ config, program, print }) {
    const { supervise } = await import('../start/supervisor.js')
    const code = await supervise({ config, program, print })
    // A download that was under way at Ctrl-C would keep the process.
    process.exit(code)
  },
}
