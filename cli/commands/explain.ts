/** `sluice explain`. */
import { isIP } from 'node:net'
import { UsageError } from '../usage-error.js'
import type { Command } from '../command.js'
import { outline } from '../output.js'

/** `tls://vault.example.com`, `tls://vault.example.com:9101`, `tcp://:9100` */
const CONNECTION = /^(tls|tcp|udp):\/\/([^/:]*)(?::(\d+))?$/

/**
 * What to ask for: a host as the gateway sees it and a path, of an address with or without
 * `http://`; or a connection.
 */
function splitUrl(text: string): Record<string, string> {
  const [, protocol = '', name = '', port = ''] = CONNECTION.exec(text) ?? []
  if (protocol === 'tls' ? name !== '' : protocol !== '' && port !== '') {
    const what = protocol === 'tls' ? { sni: name } : { protocol }
    return { ...what, ...(port !== '' && { port }) }
  }
  const address = /^\w+:\/\//.test(text) ? text : `http://${text}`
  if (!/^https?:/.test(address) || !URL.canParse(address)) {
    throw new UsageError(
      `${JSON.stringify(text)} is not an address such as http://web.localhost/path, tls://db.example.com or tcp://:9100`,
    )
  }
  // As it was written: URL resolves `..`, and Sluice refuses some of these.
  const written = address.replace(/^\w+:\/\/[^/?#]*|#.*/g, '')
  const path = written.startsWith('/') ? written : `/${written}`
  return { host: new URL(address).hostname, path }
}

/** What would be taken for something else, or for nothing, is said. */
function guardAsked(flag: string, text: string): void {
  if (flag === 'header' && !/^[^\s:]+:/.test(text)) {
    throw new UsageError(
      `--header: ${JSON.stringify(text)} is not right; expected a line such as "X-Canary: yes"`,
    )
  }
  if (flag === 'address' && isIP(text) === 0) {
    throw new UsageError(
      `--address: ${JSON.stringify(text)} is not right; expected an IP address such as 203.0.113.7`,
    )
  }
}

export const explain: Command = {
  name: 'explain',
  usage: '<url>',
  positionals: [1, 1],
  summary: 'say where a request or connection to this address would go, and why',
  options: {
    method: { type: 'string', value: '<method>', means: 'method of the request (default: GET)' },
    header: {
      type: 'string',
      value: '<line>',
      means: 'header of the request, such as "X-Canary: yes"; may be given several times',
      repeats: true,
    },
    address: { type: 'string', value: '<ip>', means: 'address of the client' },
    cookie: {
      type: 'string',
      value: '<pairs>',
      means: 'cookies of the request, such as "a=1; b=2"',
    },
  },
  settings: 'client',
  async run({ connect, positionals, flags, repeated, print, json }) {
    // Its own flags alone; others say where the controller is.
    const once = [...flags].filter(([name]) => Object.hasOwn(explain.options, name))
    const headers = (repeated.get('header') ?? []).map((line): [string, string] => ['header', line])
    const asked = [...once, ...headers]
    asked.forEach(([flag, text]) => guardAsked(flag, text))
    const query = new URLSearchParams([...Object.entries(splitUrl(positionals[0] ?? '')), ...asked])
    const client = connect()
    const answer = await client.call({ method: 'GET', path: '/v1/explain?' + query.toString() })
    if (json) {
      print(JSON.stringify(answer))
      return 0
    }
    outline(answer).forEach(print)
    return 0
  },
}
