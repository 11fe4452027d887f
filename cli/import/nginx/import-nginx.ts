/** An nginx.conf → upstreams and routes of Sluice, and what is left alone. */
import { SluiceError } from '../../../runtime/errors.js'
import { reasonFor } from './reasons.js'
import { readConf } from './read-conf.js'
import { findDefaults, notePorts, readServer, Routes } from './server-block.js'
import { Taken } from './taken.js'
import { Targets } from './targets.js'

const READ_HERE =
  /^(upstream|server|proxy_(set_header|buffering|read_timeout|http_version)|client_max_body_size)$/

/** Reads files only. Throws `invalid`, with file and line, where nginx would not read them. */
export function importNginx(path: string): Taken {
  const directives = readConf(path)
  const https = directives.filter(({ name }) => name === 'http')
  const http = https.flatMap(({ block }) => block ?? [])
  if (https.length === 0) {
    throw new SluiceError('invalid', `${path}: there is no http block; is this the main file?`)
  }
  const taken = new Taken()
  const outside = directives.filter(({ name }) => name !== 'http')
  for (const each of [...outside, ...http.filter(({ name }) => !READ_HERE.test(name))]) {
    taken.leave(each, reasonFor(each.name))
  }
  const targets = new Targets(taken)
  http.filter(({ name }) => name === 'upstream').forEach((block) => targets.addBlock(block))
  const servers = http.filter(({ name }) => name === 'server')
  const defaults = findDefaults(servers)
  const place = { routes: new Routes(taken), targets, taken }
  // Nothing else is to answer than what did.
  taken.settings.set('SLUICE_DOMAIN', 'off')
  notePorts(servers, taken)
  servers.forEach((server) => readServer(server, http, defaults.has(server), place))
  return taken
}
