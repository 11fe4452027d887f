/** An nginx whose balancer is written in Lua. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ask } from '../../lab/ask.js'
import { freePort } from '../../lab/ports.js'
import { printStatics } from './side-by-side.js'
import { luaNginx } from './fetched.js'
import { PlainNginx } from './plain-nginx.js'
import type { Bench } from '../report/report.js'

export interface StartedLua {
  nginx: PlainNginx
  port: number
  /** nginx, its Lua module and resty.core. */
  versions: string
  /** What the in-flight count of each peer is now, `<peer> <count>` a line. */
  active(): Promise<string>
}

/**
 * A balancer as one would write it who knows Lua in nginx: one read of a shared dict for the peer,
 * a count of what is in flight, one more try, connections that are kept. The same 50 slots as
 * Sluice, so both look one key up.
 */
const PICK = `local balancer = require "ngx.balancer"
local peers, active = ngx.shared.peers, ngx.shared.active
local find, sub, random = string.find, string.sub, math.random
local M = {}
function M.balance()
  local ctx = ngx.ctx
  if not ctx.peer then balancer.set_more_tries(1) else active:incr(ctx.peer, -1) end
  local peer = peers:get(ngx.var.host .. "/" .. random(0, 49))
  if not peer then return ngx.exit(503) end
  local at = find(peer, ":", 1, true)
  ctx.peer = peer
  active:incr(peer, 1, 0)
  balancer.set_current_peer(sub(peer, 1, at - 1), tonumber(sub(peer, at + 1)))
end
function M.done()
  local peer = ngx.ctx.peer
  if peer then active:incr(peer, -1) end
end
function M.put()
  ngx.req.read_body()
  for key, value in string.gmatch(ngx.req.get_body_data(), "(%S+) (%S+)") do peers:set(key, value) end
  ngx.say("ok")
end
function M.active()
  for _, key in ipairs(active:get_keys()) do ngx.say(key, " ", active:get(key)) end
end
function M.versions()
  local lua = ngx.config.ngx_lua_version
  ngx.print("Lua module ", math.floor(lua / 1000000), ".", math.floor(lua / 1000) % 1000, ".", lua % 1000)
  ngx.print(", resty.core ", require("resty.core.base").version, ", ", jit.version)
end
return M
`

/** As Sluice's headers.conf has them. */
const HEADERS = `proxy_set_header Host $host;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection $lua_connection;
proxy_set_header X-Real-IP $remote_addr;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Forwarded-Host $host;
proxy_set_header X-Forwarded-Port $server_port;
proxy_set_header Proxy "";
proxy_http_version 1.1;`

/** An nginx with Lua: a static upstream, the same again, and the balancer at `lua.localhost`. */
export async function startLua(
  bench: Bench,
  { hosts, backend }: { hosts: readonly string[]; backend: number },
): Promise<StartedLua> {
  const { nginx, libraries } = await luaNginx((line) => bench.say(line))
  const [port, admin] = [await freePort(), await freePort()]
  const folder = join(bench.folder, 'lua')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'pick.lua'), PICK)
  const started = await PlainNginx.start({
    nginx,
    folder,
    main: ['worker_processes 1;', ...nginx.modules.map((path) => `load_module "${path}";`)].join(
      '\n',
    ),
    configuration: printLua({ folder, libraries, port, admin, hosts, backend }),
    port,
  })
  bench.onEnd(() => started.stop())
  const slots = Array.from({ length: 50 }, (_, slot) => {
    return `lua.localhost/${slot} ${hosts[slot % hosts.length]}:${backend}\n`
  })
  await askAdmin(admin, 'put', slots.join(''))
  const versions = await askAdmin(admin, 'versions')
  const active = (): Promise<string> => askAdmin(admin, 'active')
  return { nginx: started, port, versions: `nginx ${nginx.version}, ${versions}`, active }
}

async function askAdmin(port: number, what: string, body?: string): Promise<string> {
  const method = body === undefined ? 'GET' : 'POST'
  const answer = await ask({ port, path: `/${what}`, method, ...(body !== undefined && { body }) })
  if (answer.status !== 200) {
    throw new Error(`Lua ${what}: ${answer.status} ${answer.body}`)
  }
  return answer.body
}

function printLua(options: {
  folder: string
  libraries: string
  port: number
  admin: number
  hosts: readonly string[]
  backend: number
}): string {
  const { folder, libraries, port, admin, hosts, backend } = options
  const call = (phase: string, name: string): string =>
    `${phase}_by_lua_block { require("pick").${name}() }`
  const asked = ['put', 'active', 'versions'].map(
    (name) => `    location = /${name} { ${call('content', name)} }`,
  )
  return `lua_package_path "${folder}/?.lua;${libraries}/?.lua;;";
lua_shared_dict peers 8m;
lua_shared_dict active 1m;
map $http_upgrade $lua_connection { "" ""; default upgrade; }
upstream lua { server 0.0.0.1; ${call('balancer', 'balance')} keepalive 256; }
${printStatics({ port, hosts, backend, headers: HEADERS })}
server { listen 127.0.0.1:${port}; server_name lua.localhost;
    location / { proxy_buffering off; ${HEADERS} ${call('log', 'done')} proxy_pass http://lua; } }
server { listen 127.0.0.1:${admin}; client_body_buffer_size 1m;
${asked.join('\n')}
}`
}
