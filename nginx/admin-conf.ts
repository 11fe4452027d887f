/** The server of the admin endpoint, where the controller writes the table. */
import { CONNECTION_ZONE } from '../contract/table/zones.js'
import { EXACT_IN_FLIGHT, MOST_BODY_BYTES, MOST_IN_FLIGHT } from '../contract/table/limits.js'
import type { ConfSettings } from './conf-settings.js'
import { homePaths } from './home-paths.js'

/** A drain has to know small numbers exactly, and large ones roughly. */
function probeLimits(): number[] {
  const limits = Array.from({ length: EXACT_IN_FLIGHT }, (_, i) => i + 1)
  for (let limit = EXACT_IN_FLIGHT * 2; limit <= MOST_IN_FLIGHT; limit *= 2) {
    limits.push(limit)
  }
  return limits
}

function probe(limit: number): string {
  return (
    `    location = /probe/${limit} { set $sluice_sid $arg_sid; set $sluice_worker $arg_pid; ` +
    `limit_conn ${CONNECTION_ZONE} ${limit}; js_content sluice_admin.probe; }`
  )
}

export function adminServer({ home }: ConfSettings): string {
  const { includes, adminSocket } = homePaths(home)
  return `# The controller's way in. The folder of the socket is for its user alone.
server {
    listen "unix:${adminSocket}";
    js_import sluice_admin from "${includes}/njs/admin.js";
    access_log off;
    gzip off;
    auth_basic off;
    allow all;
    limit_req_dry_run on;
    limit_conn_dry_run on;
    limit_conn_log_level info;
    keepalive_requests 1000000;
    client_max_body_size ${MOST_BODY_BYTES};
    # njs before 0.8.10 reads a body only from memory.
    client_body_buffer_size ${MOST_BODY_BYTES};
    error_page 413 = @sluice_too_large;

    location = /delta { js_content sluice_admin.delta; }
    location / { js_content sluice_admin.call; }
    location @sluice_too_large { js_content sluice_admin.tooLarge; }
${probeLimits().map(probe).join('\n')}
}`
}
