/** How etcd's client is set up. Its own retries, circuit breakers and watcher stay unused. */
import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import { Etcd3, GRPCResourceExhastedError, RecoverableError } from 'etcd3'
import type { IOptions } from 'etcd3'
import { Secret } from '../../runtime/config/secret.js'
import { SluiceError, messageOf } from '../../runtime/errors.js'
import type { EtcdSettings } from '../../runtime/config/settings.js'

/** No unary call, authentication included, takes longer. */
export const DEADLINE_MS = 2500

const DEFAULT_PORT = 2379

type FaultHandling = NonNullable<IOptions['faultHandling']>
type Policy = NonNullable<FaultHandling['global']>

/**
 * Runs a call once. The caller decides when to try again: a repeated transaction would contradict
 * itself.
 */
const ONCE: Policy = {
  _altReturn: undefined as never,
  onSuccess: () => ({ dispose: () => undefined }),
  onFailure: () => ({ dispose: () => undefined }),
  execute: async (work) => {
    try {
      return await work({ signal: new AbortController().signal })
    } catch (error) {
      throw withoutReset(error)
    }
  },
}

/**
 * The etcd3 package closes all connections of its client, the watch's too, after an error that it
 * takes for one of the link. An etcd that is out of space, or refuses a large request, gives an
 * error that is none.
 */
function withoutReset(error: unknown): unknown {
  if (error instanceof GRPCResourceExhastedError) {
    Reflect.deleteProperty(error, RecoverableError)
  }
  return error
}

const GRPC = {
  'grpc.max_receive_message_length': 64 * 1024 * 1024,
  'grpc.max_send_message_length': 64 * 1024 * 1024,
  // A half-open watch shows within 8 s. Etcd disconnects clients that ping more often than every 5
  // s, or while nothing is under way.
  'grpc.keepalive_time_ms': 5500,
  'grpc.keepalive_timeout_ms': 2000,
  'grpc.keepalive_permit_without_calls': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2000,
  // Else a client made afresh would share the old one's dead connection.
  'grpc.use_local_subchannel_pool': 1,
}

/** `etcds://a:2379,b` → `['https://a:2379', 'https://b:2379']`. Throws `invalid`. */
export function parseEtcdUrl(url: string): string[] {
  const match = /^(etcds?):\/\/([^/?#@\s]+)\/?$/.exec(url)
  if (match === null) {
    throw new SluiceError('invalid', `${url} is not etcd://host:port[,host:port]`, {
      field: 'registry',
    })
  }
  const scheme = match[1] === 'etcds' ? 'https' : 'http'
  return (match[2] as string)
    .split(',')
    .map((host) => `${scheme}://${/:\d+$/.test(host) ? host : `${host}:${DEFAULT_PORT}`}`)
}

/**
 * A client of one endpoint. Certificates and the password's file are read anew, so that renewed
 * ones count. Throws when certificates cannot be read.
 */
export function makeEtcdClient(endpoint: string, settings: EtcdSettings): Etcd3 {
  const { username, password, passwordFile } = settings
  return new Etcd3({
    hosts: [endpoint],
    grpcOptions: GRPC,
    faultHandling: { host: () => ONCE, global: ONCE },
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + DEADLINE_MS }),
    ...(endpoint.startsWith('https:') && { credentials: readCredentials(settings) }),
    ...(username !== undefined && {
      auth: { username, password: new Secret(password ?? '', passwordFile).now() },
    }),
  })
}

function readCredentials(settings: EtcdSettings): NonNullable<IOptions['credentials']> {
  const { ca, certificate, key } = settings
  return {
    rootCertificate: ca === undefined ? Buffer.from(rootCertificates.join('\n')) : readPem(ca),
    ...(certificate !== undefined && { certChain: readPem(certificate) }),
    ...(key !== undefined && { privateKey: readPem(key) }),
  }
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    const message = `${path}, given for etcd, cannot be read: ${messageOf(cause)}`
    throw new SluiceError('registry_unavailable', message, { cause })
  }
}
