/** nginx's variables that the hop reads and writes. */

/** Variables that are always there: nginx's own, and those that nginx/http-conf.ts declares. */
export interface HopVariables {
  readonly server_addr: string
  readonly request_time: string
  readonly request_uri: string
  readonly sluice_share: string
  readonly sluice_host: string
  /** `:web <sid> <address> <id> <flags>[ <token>]`; of a fallback, its upstream{} or socket. */
  sluice_choice: string
  /** SIDs, apart from each other by spaces. */
  sluice_tried: string
  /** `<upstream> <instance> <tries>` for the access log; `!` at its end: Sluice answered. */
  sluice_outcome: string
  /** `<code> <name>` of what the hop answers itself. */
  sluice_refused: string
  /** The named location that goes on. */
  sluice_location: string
  /** `1`: how the answer begins is measured. */
  sluice_watched: string
  /** SID of the peer for which this request is the trial; `5` before it: it answered by a 5xx. */
  sluice_trial: string
  /** `:web <sid>`, apart by commas: who was sent this request and did not answer it well. */
  sluice_unanswered: string
  /** Addresses that the judge was asked for, apart by spaces. */
  sluice_judged: string
  sluice_session_cookie: string
  sluice_arm_cookie: string
  /** The upstream whose fallback is wanted; '' for that of the host. */
  sluice_wanted: string
  sluice_tls_name: string
  sluice_tls_certificate: string
  /** An address that is asked whether it takes connections, before a call of gRPC goes there. */
  sluice_preflight_peer: string
  readonly sluice_fallback_socket: string
  /** '' where nginx is too old to speak HTTP/2 to peers. */
  readonly sluice_h2: string
  /** `1` where all requests come by the hop. */
  readonly sluice_unpooled: string
  sluice_act_pick: string
  sluice_act_headers: string
  sluice_act_mirror: string
  sluice_act_target: string
  sluice_act_host: string
  sluice_act_upgrade: string
  sluice_act_page: string
  sluice_act_type: string
  /** Whatever may be missing. */
  [name: string]: string | undefined
}
