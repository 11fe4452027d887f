/** What `sluice start` prints once it is ready: where everything is, and what to try first. */
import { join } from 'node:path'
import { printAddress } from '../../contract/guard/address.js'
import type { Settings } from '../../runtime/config/settings.js'
import { ownApiUrl } from '../client.js'
import type { ApiClient } from '../client.js'
import { nginxFiles } from '../nginx-files.js'
import { commandsToTry } from './first-commands.js'
import { listensAt } from './home-nginx.js'

/** @param program The file by which `sluice` is run: the commands to try name it. */
export async function greet(
  settings: Settings,
  program: string,
  client: ApiClient,
  print: (line: string) => void,
): Promise<void> {
  const { apiToken, home } = settings
  const lines = [
    '',
    ...gatewayLines(settings),
    `API        ${ownApiUrl(settings)}/   (or, without a token, the socket ${join(home, 'api.sock')})`,
    `token      ${apiToken === undefined ? join(home, 'api-token') : 'the one that is set'}`,
    `logs       ${join(home, 'logs')}`,
    '',
    ...(await tourOf(settings, program, client)),
  ]
  lines.forEach((line) => print(line))
}

function gatewayLines(settings: Settings): string[] {
  const { bind, httpPort, httpsPort, domains, http3 } = settings
  const names = domains.map((domain) => `web.${domain}`).join(', ')
  const answers =
    names === '' ? 'answers by routes alone' : `an upstream "web" answers at Host ${names}`
  const lines = [`gateway    http://${printAddress(bind, httpPort)}/   (${answers})`]
  if (listensAt(nginxFiles(settings), httpsPort)) {
    const also = `${http3 ? 'HTTP/3 too; ' : ''}certificates: sluice certificates put`
    lines.push(`           https://${printAddress(bind, httpsPort)}/   (${also})`)
  }
  return lines
}

/** It asks by a name below a domain, so without one there is none. */
async function tourOf(settings: Settings, program: string, client: ApiClient): Promise<string[]> {
  const domain = settings.domains[0]
  if (domain === undefined) {
    return []
  }
  const [register, ask, drain] = await commandsToTry(settings, program, client, domain)
  return [
    'Three commands to try, in another shell:',
    '',
    '  # start a backend and register it',
    `  ${register}`,
    '  # ask it through the gateway',
    `  ${ask}`,
    '  # drain it: no new requests reach it',
    `  ${drain}`,
    '',
  ]
}
