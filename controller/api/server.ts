/** The REST API of one controller: two doors, one set of routes. */
import { setMaxListeners } from 'node:events'
import type { Server } from 'node:http'
import type { Server as SecureServer } from 'node:https'
import { mkdir } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { fastify } from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { SluiceError } from '../../runtime/errors.js'
import type { ControllerForApi } from '../controller-for-api.js'
import { Auth } from './http/auth.js'
import type { Caller, Role } from './http/auth.js'
import { registerBatch } from './change/batch.js'
import { registerCalls } from './change/call-endpoints.js'
import { Committer } from './change/committer.js'
import type { ApiContext, MetricsSource } from './context.js'
import { sendProblem } from './http/errors.js'
import { EventFeed } from './read/event-feed.js'
import { registerEvents } from './read/events.js'
import { registerExplain } from './explain/explain.js'
import { registerGateways } from './read/gateways.js'
import { registerHealth } from './read/health.js'
import { ANY_HOST, listenError, listenLocal, readServerCertificate } from './http/listen.js'
import type { LocalSockets, ServerCertificate } from './http/listen.js'
import { followCertificate } from './http/api-certificate.js'
import { refuseMalformed } from './http/malformed.js'
import { registerOpenApi } from './http/openapi.js'
import { registerReads } from './read/reads.js'
import { registerStatus } from './read/status.js'
import { registerSuspects } from './read/suspects.js'
import { registryRoutes } from './agents/endpoints.js'
import { loadToken } from './http/token.js'
import { Touched } from './change/last-touched.js'
import type { Secret } from '../../runtime/config/secret.js'
import { prepare, refuseOtherMethods } from './http/transport.js'

export interface Api {
  /** `http://127.0.0.1:8081` */
  url: string
  /** Path of the unix socket. */
  socket: string
  /** What callers over TCP send as `Authorization: Bearer …`. */
  token: string
  /** Ends waiting calls and event streams, then both listeners. */
  close(): Promise<void>
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller
  }
  interface FastifyContextConfig {
    /** Needs no token from loopback. */
    open?: boolean
    /** Who may make it; absent: whoever may read. */
    role?: Role
  }
}

/**
 * Listens on the settings' address and on `<home>/api.sock`. Rejects with `conflict` when the port
 * or the socket is in use, with `invalid` when an address, the token's file or the home does not
 * serve.
 */
export async function startApi(control: ControllerForApi, metrics: MetricsSource): Promise<Api> {
  const { apiBind, apiPort, home } = control.settings
  await mkdir(home, { recursive: true })
  const token = await loadToken(control.settings)
  const sockets: LocalSockets = new WeakSet()
  const { app, context } = await buildApp(control, metrics, token, sockets)
  const socket = join(home, 'api.sock')
  let local: Server | undefined
  try {
    // The socket first: a live one says that this home has a controller, which explains the port as
    // well.
    local = await listenLocal(socket, (request, reply) => app.routing(request, reply), sockets)
    const url = await app.listen({ host: apiBind, port: apiPort }).catch((error: unknown) => {
      throw listenError(error, `${apiBind}:${apiPort}`)
    })
    control.log.info({ url, socket }, 'API listens')
    const both = local
    return { url, socket, token: token.now(), close: () => close(app, both, context) }
  } catch (error) {
    await close(app, local, context)
    throw error
  }
}

/** All routes, not yet listening. */
async function buildApp(
  control: ControllerForApi,
  metrics: MetricsSource,
  token: Secret,
  sockets: LocalSockets,
): Promise<{ app: FastifyInstance; context: ApiContext }> {
  const { apiBind, apiTls } = control.settings
  const https = apiTls === undefined ? undefined : await readServerCertificate(apiTls)
  const options: FastifyServerOptions = {
    logger: false,
    bodyLimit: 1024 * 1024,
    requestTimeout: 60_000,
    // refuseMalformed answers.
    clientErrorHandler: () => undefined,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 512 },
    frameworkErrors: (error, request, reply) => {
      void sendProblem(error, request, reply, control.log)
    },
  }
  // Fastify has another type for each kind of server; what is asked of it here is the same.
  const kind = https === undefined ? { http: ANY_HOST } : { https: { ...https, ...ANY_HOST } }
  const app = fastify({ ...options, ...kind } as typeof options)
  refuseMalformed(app.server, (request, reply) => app.routing(request, reply))
  renewCertificate(app, control, https)
  const isLocal = (one: Socket) => sockets.has(one)
  const auth = new Auth({ token, bind: apiBind, isTls: https !== undefined, isLocal })
  const patterns = prepare(app, control.log, auth)
  const context = contextOf(control, metrics)
  await registerRoutes(app, context)
  refuseOtherMethods(app, patterns)
  await app.ready()
  return { app, context }
}

/** A renewed certificate is shown without a restart, until the server is closed. */
function renewCertificate(
  app: FastifyInstance,
  { settings, log }: ControllerForApi,
  first: ServerCertificate | undefined,
): void {
  const { apiTls: paths } = settings
  if (paths !== undefined && first !== undefined) {
    const server = app.server as Server & SecureServer
    const renewal = followCertificate({ paths, first, server, log })
    app.addHook('onClose', () => renewal.close())
  }
}

function contextOf(control: ControllerForApi, metrics: MetricsSource): ApiContext {
  const touched = new Touched()
  const closing = new AbortController()
  // Every event stream and every waiting call listens; they are counted elsewhere.
  setMaxListeners(0, closing.signal)
  return {
    control,
    metrics,
    feed: new EventFeed(control, touched),
    committer: new Committer(control, touched),
    touched,
    closing,
  }
}

async function registerRoutes(app: FastifyInstance, context: ApiContext): Promise<void> {
  await registerOpenApi(app)
  const { registry, log, settings } = context.control
  const ownAddresses = () => context.control.ownAddresses()
  await app.register(registryRoutes, {
    registry,
    log,
    addresses: settings,
    ownAddresses,
    isConfined: true,
  })
  registerHealth(app, context)
  registerStatus(app, context)
  registerReads(app, context)
  registerCalls(app, context)
  registerBatch(app, context)
  registerGateways(app, context)
  registerSuspects(app, context)
  registerExplain(app, context)
  registerEvents(app, context)
}

async function close(
  app: FastifyInstance,
  local: Server | undefined,
  { closing, feed }: ApiContext,
): Promise<void> {
  closing.abort(new SluiceError('internal', 'the controller stops'))
  feed.close()
  if (local !== undefined) {
    const closed = new Promise<void>((resolve) => local.close(() => resolve()))
    local.closeAllConnections()
    await closed
  }
  // What does not close ends with the process.
  await app.close().catch(() => undefined)
}
