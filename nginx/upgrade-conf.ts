/**
 * What a client may change its connection to (`Upgrade`): WebSocket, and what a route names. In a
 * tunnel for another protocol (h2c) it would ask for paths that no route leads to.
 */

/** `h2c` has settings in a header, which belongs to the connection as well (RFC 7540, 3.2). */
const CONNECTION = `default upgrade; '' ''; h2c "upgrade, http2-settings";`

/**
 * A front that asks the hop passes on what the client asks for, because only the hop knows the
 * route. There a route that acts judges it. What it passed on comes to the hop again in the name
 * of an upstream or a split, and is not judged twice; neither is what the fallback is to judge.
 */
export const UPGRADES = `# Only a connection of HTTP/1.1 can change.
map $server_protocol $sluice_http11_upgrade { default ''; HTTP/1.1 $http_upgrade; }
map $server_protocol $sluice_http11_websocket { default ''; HTTP/1.1 websocket; }
map $server_protocol $sluice_http11_connection { default ''; HTTP/1.1 upgrade; }
map $http_upgrade $sluice_upgrade { default ''; websocket $sluice_http11_websocket; }
map $http_upgrade $sluice_connection { default ''; websocket $sluice_http11_connection; }
map $http_upgrade $sluice_asked_upgrade {
    default '';
    "~^[A-Za-z0-9._+/-]+$" $sluice_http11_upgrade;
}
map $sluice_asked_upgrade $sluice_asked_connection { ${CONNECTION} }
map $http_upgrade $sluice_hop_upgrade {
    volatile;
    default $sluice_judged_upgrade;
    '' '';
    websocket websocket;
}
map "$http_x_sluice_pick $sluice_choice" $sluice_judged_upgrade {
    volatile;
    default '';
    "~^[:~]" $http_upgrade;
    "~ unix:[^ ]+$" $http_upgrade;
}
map $sluice_hop_upgrade $sluice_hop_connection { volatile; ${CONNECTION} }
js_var $sluice_act_upgrade -;
map $sluice_act_upgrade $sluice_act_offer { volatile; default $sluice_act_upgrade; - $sluice_upgrade; }
map $sluice_act_offer $sluice_act_connection { volatile; ${CONNECTION} }`

interface UpgradeHeaders {
  upgrade: string
  connection: string
}

/** Variables for the two headers, where instances are asked; and where the hop is. */
export const TO_INSTANCES: UpgradeHeaders = {
  upgrade: '$sluice_upgrade',
  connection: '$sluice_connection',
}
export const TO_HOP: UpgradeHeaders = {
  upgrade: '$sluice_asked_upgrade',
  connection: '$sluice_asked_connection',
}

export function upgradeLines({ upgrade, connection }: UpgradeHeaders): string[] {
  return [`proxy_set_header Upgrade ${upgrade};`, `proxy_set_header Connection ${connection};`]
}
