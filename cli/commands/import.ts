/** `sluice import`. */
import { importNginx } from '../import/nginx/import-nginx.js'
import { printTaken, recordsOf } from '../import/nginx/print-taken.js'
import { UsageError } from '../usage-error.js'
import type { Command } from '../command.js'

function ofNginx(path: string, json: boolean): string {
  const taken = importNginx(path)
  const { settings, differs, left } = taken
  const all = { ...recordsOf(taken), settings: Object.fromEntries(settings), differs, left }
  return json ? JSON.stringify(all, null, 2) : printTaken(taken, path).trimEnd()
}

export const importCommand: Command = {
  name: 'import',
  usage: '<file>',
  positionals: [1, 1],
  summary: 'print what another tool’s configuration is in Sluice; changes nothing',
  options: {
    from: { type: 'string', value: '<tool>', means: 'whose configuration it is: nginx' },
  },
  settings: 'client',
  async run({ flags, positionals, json, print }) {
    const from = flags.get('from')
    const [given = ''] = positionals
    if (from !== 'nginx') {
      const what = from === undefined ? '--from is missing' : `--from ${from} is not known`
      throw new UsageError(`${what}; expected nginx`)
    }
    print(ofNginx(given, json))
    return 0
  },
}
