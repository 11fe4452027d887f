/**
 * What a location says that asks the pool: which headers a peer gets, and who is asked. The pool
 * itself stands in http-conf.ts.
 */
import { CONNECTION_ZONE } from '../contract/table/zones.js'
import { PEER_HEADER, PICK_HEADER, POOL } from '../contract/servers.js'
import { unspelled } from './asked-host.js'
import type { ConfSettings } from './conf-settings.js'
import { clientHeaders } from './forwarded.js'
import { TO_INSTANCES, upgradeLines } from './upgrade-conf.js'
import { speaksHttp11 } from './versions.js'

/** What peers learn about the client; `host`: the Host that they get; `upgrade`: null for none. */
export function peerHeaders(
  settings: ConfSettings,
  host: string,
  upgrade: typeof TO_INSTANCES | null = TO_INSTANCES,
): string[] {
  const about = clientHeaders(settings)
  return [
    `proxy_set_header Host ${host};`,
    ...(upgrade === null ? [] : upgradeLines(upgrade)),
    ...about.map(([name, value]) => `proxy_set_header ${name} ${value};`),
    'proxy_set_header Proxy "";',
    '# What a client sends in another spelling is the same to many applications.',
    ...unspelled(
      'proxy',
      about.map(([name]) => name),
    ),
  ]
}

/** The pick itself; `target`: a variable with the path and query, where they are changed. */
export function passLines(settings: ConfSettings, target = ''): string[] {
  const { pool, wide, nginxVersion } = settings
  // limit_conn counts a request once. Where that has been, after an error_page or in a
  // subrequest, the hop picks and counts.
  const again = "if ($limit_conn_status) { set $sluice_sid ''; }"
  const counted = [again, `limit_conn ${CONNECTION_ZONE} 65535;`]
  // Headers are made when the body is there and before the pool chooses: a second look at the
  // pick, in time for both. It stands last, for the pick is made as its text is asked for.
  const late = pool ? '$sluice_late' : ''
  const version = [
    '# The default from nginx 1.29.7 on. Where you have this line yourself, leave yours out.',
    'proxy_http_version 1.1;',
  ]
  return [
    ...(pool ? counted : []),
    ...(speaksHttp11(nginxVersion) ? [] : version),
    `proxy_set_header ${PICK_HEADER} "$sluice_key $sluice_sid${late}";`,
    ...unspelled('proxy', [PICK_HEADER]),
    `proxy_hide_header ${PEER_HEADER};`,
    `proxy_pass http://${pool && wide === true ? '$sluice_shard' : POOL}${target};`,
  ]
}
