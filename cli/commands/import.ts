/** `sluice import`. */
import { importNginx } from '../import/nginx/import-nginx.js'
import { printTaken, recordsOf } from '../import/nginx/print-taken.js'
import { importRegistrator, printSettings } from '../import/registrator.js'
import { UsageError } from '../usage-error.js'
import type { Command } from '../command.js'

function ofNginx(given: string[], json: boolean): string {
  const [path, surplus] = given
  if (path === undefined || surplus !== undefined) {
    throw new UsageError('usage: sluice import --from nginx <nginx.conf>')
  }
  const taken = importNginx(path)
  const { settings, differs, left } = taken
  const all = { ...recordsOf(taken), settings: Object.fromEntries(settings), differs, left }
  return json ? JSON.stringify(all, null, 2) : printTaken(taken, path).trimEnd()
}

function ofRegistrator(given: string[], json: boolean): string {
  const { settings, why } = importRegistrator(given)
  return json
    ? JSON.stringify({ settings: Object.fromEntries(settings), why }, null, 2)
    : printSettings({ settings, why })
}

const TOOLS: Record<string, (given: string[], json: boolean) => string> = {
  nginx: ofNginx,
  registrator: ofRegistrator,
}

export const importCommand: Command = {
  name: 'import',
  usage: '<nginx.conf> | -- <flags>',
  positionals: [0, 1000],
  summary: 'print what another tool’s configuration is in Sluice; changes nothing',
  options: {
    from: { type: 'string', value: '<tool>', means: '`nginx` or `registrator`' },
  },
  settings: 'client',
  async run({ flags, positionals, json, print }) {
    const from = flags.get('from') ?? ''
    const tool = Object.hasOwn(TOOLS, from) ? TOOLS[from] : undefined
    if (tool === undefined) {
      const what = from === '' ? '--from is missing' : `--from ${from} is not known`
      throw new UsageError(`${what}; expected ${Object.keys(TOOLS).join(' or ')}`)
    }
    print(tool(positionals, json))
    return 0
  },
}
