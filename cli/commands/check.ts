/** `sluice check`. */
import { existsSync, mkdtempSync, rmSync, rmdirSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { SluiceError } from '../../runtime/errors.js'
import type { Settings } from '../../runtime/config/settings.js'
import { runCommand } from '../../setup/command.js'
import { ensureNginx } from '../../setup/nginx.js'
import { findClashes } from '../conf-check/clashes.js'
import { readDump } from '../conf-check/dump.js'
import type { Command } from '../command.js'
import { gatewayFiles } from '../gateway-files.js'
import { nginxFiles } from '../nginx-files.js'
import { writeFiles } from '../start/file-set.js'
import { makeHomeFolders } from '../start/home.js'
import { testConf } from '../start/home-nginx.js'

/** Any port will do: nothing is opened for long. */
const SOME_PORT = 53

/** The exit code: 1 when something of an nginx.conf does not go together with Sluice's files. */
async function checkOwn(
  conf: string,
  nginx: string,
  home: string,
  print: (line: string) => void,
): Promise<number> {
  const { code, stdout, stderr, startError } = await runCommand(nginx, [
    '-T',
    '-q',
    '-e',
    'stderr',
    '-c',
    conf,
  ])
  if (code !== 0) {
    throw new SluiceError('invalid', `nginx -T -c ${conf}: ${startError?.message ?? stderr.trim()}`)
  }
  const clashes = findClashes(readDump(stdout), join(home, 'sluice'))
  clashes.forEach(print)
  print(`${conf}: ${clashes.length === 0 ? 'nothing clashes with' : `clashes with`} Sluice's files`)
  return clashes.length === 0 ? 0 : 1
}

/** The exit code: 1 when something in the folder would not be used. */
async function checkFolder(
  settings: Settings,
  folder: string,
  print: (line: string) => void,
): Promise<number> {
  const { checkFiles } = await import('../../agent/main.js')
  const problems = await checkFiles(settings, folder)
  problems.forEach(print)
  print(`${folder}: ${problems.length === 0 ? 'all is right' : 'not all of it would be used'}`)
  return problems.length === 0 ? 0 : 1
}

export const check: Command = {
  name: 'check',
  usage: '',
  positionals: [0, 0],
  summary: 'test the settings and nginx’s configuration, or with --files a folder; changes nothing',
  options: {
    conf: { type: 'string', value: '<file>', means: 'an nginx.conf of yours, to be read as well' },
  },
  settings: 'all',
  async run({ config, flags, print }) {
    const { home, nginx, poolPort, files } = config.settings
    const filesCode = files === undefined ? 0 : await checkFolder(config.settings, files, print)
    if (flags.has('files')) {
      // Asked by name: the files alone, as a pipeline does that has no nginx.
      return filesCode
    }
    print('settings are right')
    const info = await ensureNginx({ home, nginx, say: print })
    // In a home of its own, so that nothing of a running one is touched.
    const trial = mkdtempSync(join(tmpdir(), 'sluice-check-'))
    try {
      makeHomeFolders(trial)
      const settings = { ...config.settings, home: trial, poolPort: poolPort || SOME_PORT }
      const { makeOwnCertificate } = await import('../start/own-certificate.js')
      await makeOwnCertificate(settings)
      writeFiles(gatewayFiles(settings, info, 'unchanged'))
      if (existsSync(join(home, 'fallback'))) {
        // The fallback has keys, which stay where they are.
        rmdirSync(join(trial, 'fallback'))
        symlinkSync(join(home, 'fallback'), join(trial, 'fallback'))
      }
      await testConf(nginxFiles(settings, info.path))
    } finally {
      rmSync(trial, { recursive: true, force: true })
    }
    print(`nginx ${info.version} with njs ${info.njs} accepts the configuration`)
    const own = flags.get('conf')
    const ownCode = own === undefined ? 0 : await checkOwn(resolve(own), info.path, home, print)
    return Math.max(filesCode, ownCode)
  },
}
