/**
 * How the servers of one nginx speak of each other: upstream{}s, headers and locations that nginx's
 * configuration and njs must agree on.
 */

/** A peer that does not accept within this is left for another; far beyond any round trip. */
export const CONNECT_TIMEOUT_MS = 2000

/** The upstream{} that holds every peer, reached by SID. */
export const POOL = 'sluice_pool'
/**
 * A wide pool is as many upstream{}s as this, `sluice_pool_0` and so on; which of them has a peer
 * follows from its SID.
 */
export const POOL_SHARDS = 16
/** The upstream{} of peers that are reached over TLS or HTTP/2, by SID; it asks nobody else. */
export const KEPT_POOL = 'sluice_kept_pool'
/** The upstream{} of the hop alone. */
export const HOP = 'sluice_hop'
/** The upstream{} of the hop's server for gRPC. */
export const GRPC_HOP = 'sluice_grpc_hop'
/**
 * The front's pick, to the hop: `<key>`, and `<sid>` or one of the three words below. Also the
 * hop's question, to the judge (njs/hop/judge-message.ts).
 */
export const PICK_HEADER = 'X-Sluice-Pick'
/** The header that asks the hop for an instance's `X-Accel-*`. */
export const ACCEL_HEADER = 'X-Sluice-Accel'
/** In place of a SID: the server that asks has no time limit of its own. */
export const PATIENT = 'patient'
/** Where a front goes on without a time limit. */
export const PATIENT_LOCATION = '@sluice_patient'
/** In place of a SID: only the head came, for the request is refused; its body is not read. */
export const HEAD_ONLY = 'head'
/** The same, of a body that is larger than its route takes. */
export const TOO_LARGE = 'large'
/** Where a front goes on with requests that are refused. */
export const REFUSING_LOCATION = '@sluice_refusing'
/** Where a front goes on with what it leaves to the hop. */
export const HOP_LOCATION = '@sluice_to_hop'
/** The upstream{} of peers that take gRPC without TLS, by SID; then the hop's server for gRPC. */
export const GRPC_POOL = 'sluice_grpc_pool'
/** Where a front goes on that asks the kept pool; the peers' way follows. */
export const KEPT_LOCATION = '@sluice_kept'
/** What ends the name of such a location where a certificate is shown to peers. */
export const SHOWN = '_shown'
/** What follows for gRPC, for which a call is where it is to be. */
export const GRPC_WAY = '_grpc'
/** Where a front goes on that changes a request itself; `_body` and `_edited` may follow. */
export const CHANGING_LOCATION = '@sluice_changing'
/** Where a front goes on with a request that only the hop can change. */
export const ACTING_LOCATION = '@sluice_acting'
/**
 * A body in chunks has no length yet. Where its route sets a limit, the front goes on at a location
 * that ends in `_<bytes>`, the least of these that is not below it: nginx takes no limit from a
 * variable. Above all of them the server's own limit holds until the length is known.
 */
export const BODY_LIMITS = [4096, 65536, 1048576, 16777216]
/**
 * The header by which the hop reports to the front's access log where a request went:
 * `<upstream> <instance> <tries>`, and `!` where Sluice itself answered.
 */
export const PEER_HEADER = 'X-Sluice-Peer'
/** By this status the judge tells the hop, and nobody else, that its try was not the answer. */
export const UNANSWERED_STATUS = 590
/** The hop's location that asks by the judge. */
export const JUDGED_LOCATION = '@sluice_judged'
