/**
 * Everything that can be wrong with a running Sluice: its code, and what to do about it. A new
 * finding is a line here, and a few lines in a source (`sources.ts` lists them). Codes never
 * change.
 */
export const CURES = {
  registry_away: 'bring the registry back, or make the way to it work; Sluice reconnects by itself',
  registry_full:
    'compact and defragment etcd, or raise --quota-backend-bytes, then disarm its alarm (etcdctl alarm disarm)',
  fields_unknown: 'bring this controller to the version that wrote them, or remove the fields',
  values_refused: 'write the record again, valid, or delete its key',
  certificate_expired: 'put a renewed certificate under the same id (sluice certificates put)',
  certificate_ending:
    'renew it now; a certificate should be renewed when a third of its time is left',
  upstream_down:
    'start an instance, undrain one, or look at why they are down (sluice instances <upstream>)',
  dns_stale:
    'mend the name or the DNS server (SLUICE_RESOLVERS); what was answered last serves meanwhile',
  gateway_away:
    'start that gateway, or look into its logs; forget one that is gone for good (sluice gateways forget)',
  gateway_unpublished:
    'let this controller write below gateways/ and presence/ in the registry (in etcd: by its role)',
  gateway_behind: 'look at the reason; when it is gone, the gateway catches up by itself',
  stream_away:
    'look into logs/error.log of nginx: its part for connections does not answer the controller',
  nginx_old: 'run "sluice update" there: it fetches the newest, which takes over while it serves',
  table_full: 'give the table more memory (SLUICE_TABLE_SIZE) and restart nginx, or remove routes',
  table_nearly_full: 'give the table more memory (SLUICE_TABLE_SIZE) and restart nginx soon',
  configuration_refused: 'mend what nginx names; the next change is tried again',
  fallback_stale: 'mend what is named; until then, a restarted nginx begins with the previous file',
  removals_held: 'start what was lost, or confirm that it is gone (sluice confirm)',
  engine_away: 'start the container engine, or mend SLUICE_DOCKER of that agent',
  host_contested: 'give one of the upstreams another host, or stop the containers of one',
  address_unreached:
    'make the way from that agent to the address work, or mend SLUICE_AGENT_ADDRESS',
  engine_doubted:
    'mend that container engine; take out what is really gone (sluice deregister <upstream> <id>)',
  source_away: 'make the source answer, or mend its address in the settings of that agent',
  source_doubted:
    'bring back what the source lost; take out what is really gone (sluice deregister <upstream> <id>)',
  source_refused: 'mend the entry that is named; sluice agent --print shows all of them',
} as const

export type FindingCode = keyof typeof CURES
