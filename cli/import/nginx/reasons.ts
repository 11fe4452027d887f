/** Why a directive of nginx's is left alone. */

const KEEP = 'keep it in an nginx.conf of your own that includes Sluice’s files'

const REASONS: Array<[names: RegExp, why: string]> = [
  [/^ssl_/, 'certificates are given to Sluice live: docs/tls.md'],
  [/^(access_log|error_log|log_format)$/, 'Sluice has an access log of its own: SLUICE_ACCESS_LOG'],
  [/^(return|rewrite|if|set|map|geo)$/, 'no rule is run; routes have rewrite and redirect'],
  [/^(root|alias|index|try_files|autoindex|expires)$/, `Sluice serves no files: ${KEEP}`],
  [/^(fastcgi|uwsgi|scgi|memcached)_/, `instances are spoken to in HTTP alone: ${KEEP}`],
  [/^grpc_/, 'give the upstream protocol=grpc, and a route: docs/routes.md'],
  [/^proxy_ssl_/, 'the upstream has tls.serverName and tls.verify: docs/tls.md'],
  [/^add_header$/, 'a route has responseHeaders: docs/routes.md'],
  [/^(stream|mail)$/, 'routes of TCP and UDP are written by hand: docs/routes.md'],
  [
    /^(user|worker_\w+|pid|events|load_module|daemon|sendfile|tcp_\w+|types|default_type)$/,
    'it is about nginx’s own process: see docs/settings.md for Sluice’s',
  ],
]

/** Who asks is looked at before anything is passed on; Sluice would let all pass. */
export const GATEKEEPERS =
  /^(allow|deny|satisfy|internal|auth_\w+|limit_except|ssl_verify_client|secure_link\w*)$/

export function reasonFor(name: string): string {
  if (GATEKEEPERS.test(name)) {
    return `Sluice does not look at who asks: ${KEEP}`
  }
  return REASONS.find(([names]) => names.test(name))?.[1] ?? `routes have nothing for it: ${KEEP}`
}
