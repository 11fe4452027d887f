/** `sluice check`. */
import { existsSync, mkdtempSync, rmSync, rmdirSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureNginx } from '../../setup/nginx.js'
import type { Command } from '../command.js'
import { gatewayFiles } from '../gateway-files.js'
import { gatewayPlace } from '../gateway-place.js'
import { writeFiles } from '../start/file-set.js'
import { makeHomeFolders } from '../start/home.js'
import { testConf } from '../start/nginx-process.js'

/** Any port will do: nothing is opened for long. */
const SOME_PORT = 53

export const check: Command = {
  name: 'check',
  usage: '',
  positionals: [0, 0],
  summary: 'test the settings and nginx’s configuration; changes nothing',
  options: {},
  settings: 'all',
  async run({ config, print }) {
    const { home, nginx, poolPort } = config.settings
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
      await testConf(gatewayPlace(settings, info.path))
    } finally {
      rmSync(trial, { recursive: true, force: true })
    }
    print(`nginx ${info.version} with njs ${info.njs} accepts the configuration`)
    return 0
  },
}
