/**
 * The judge: a server between the hop and an instance, where a policy has answers tried again.
 * nginx drops an answer before it can be asked whether another try may follow. So the judge looks
 * at the answer first. Where another try follows, it answers by a status of its own. Else the
 * instance's answer passes as it is.
 */
import { ACCEL_HEADERS } from '../contract/guard/header-names.js'
import { PEER_HEADER, UNANSWERED_STATUS } from '../contract/servers.js'
import type { ConfSettings } from './conf-settings.js'
import { homePaths } from './home-paths.js'
import { peerPasses } from './hop-conf.js'
import { peerTlsOfServer } from './peer-tls-conf.js'

/** nginx's own 502 and 504 alone come here: an instance's are not intercepted. */
const UNANSWERED = `    location @sluice_unanswered {
        add_header ${PEER_HEADER} "0 $upstream_bytes_sent" always;
        return ${UNANSWERED_STATUS};
    }`

function askLocations(settings: ConfSettings): string[] {
  return peerPasses(settings, '$sluice_judge_peer').map(
    ({ suffix, pass }) => `    location @sluice_ask${suffix} {
        js_header_filter sluice_judge;
        error_page 502 504 = @sluice_unanswered;
        ${pass}
    }`,
  )
}

/**
 * What nginx itself reads of the question (njs/hop/judge-message.ts): njs would take a VM more for
 * each request, which lasts as long as that.
 */
const QUESTION = `map $http_x_sluice_pick $sluice_judge_location {
    default @sluice_unanswered;
    "~^(@sluice_ask[a-z0-9_]*) " $1;
}
map $http_x_sluice_pick $sluice_judge_peer { default ''; "~^[^ ]+ ([^ ]+) " $1; }
map $http_x_sluice_pick $sluice_judge_tls_name { default ''; "~^[^ ]+ [^ ]+ :([^ ]*) " $1; }`

const TLS_VARIABLES = {
  name: '$sluice_judge_tls_name',
  certificate: '$sluice_judge_certificate',
}

export function judgeServer(settings: ConfSettings): string {
  const { includes, judgeSocket } = homePaths(settings.home)
  // The hop judges what of these is passed on.
  const passed = ACCEL_HEADERS.map((name) => `    proxy_pass_header ${name};`)
  return `${QUESTION}
# Asks an instance for the hop, and says when its answer comes whether another try follows.
server {
    listen "unix:${judgeSocket}";
    include "${includes}/hop-headers.conf";
    js_import sluice_judge from "${includes}/njs/judge.js";
    js_set $sluice_judge_certificate sluice_judge.certificate;
    recursive_error_pages on;

${passed.join('\n')}
${peerTlsOfServer('proxy', settings, TLS_VARIABLES)}

    location / {
        error_page 418 = $sluice_judge_location;
        return 418;
    }

${askLocations(settings).join('\n')}
${UNANSWERED}
}`
}
