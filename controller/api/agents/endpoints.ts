/**
 * The registry for agents on other machines. `registry/http/registry.ts` is the client of these
 * calls.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isWhole } from '../../../contract/guard/names.js'
import { messageOf, SluiceError } from '../../../runtime/errors.js'
import type { Logger } from '../../../runtime/logger.js'
import type { Registry, RegistryOperation } from '../../../registry/registry.js'
import { agentOf, confine } from './confine.js'
import { secretsOf, withClaim } from './id-owner.js'
import { guardOperations, isLeaseId, mayRead } from './agent-writes.js'
import type { WriteRules } from './agent-writes.js'
import { EventStreams } from '../http/event-streams.js'
import { RegistryFeed } from './feed.js'
import { withOwners } from './settings-owner.js'
import { AgentLeases } from './agent-leases.js'

export interface RegistryRouteOptions extends WriteRules {
  registry: Registry
  log: Logger
  /** Throws when the caller may not. Absent: who gets here was let in already. */
  authorize?: (request: FastifyRequest) => void | Promise<void>
  /** Whether a commit is held to what is the agent's own. */
  isConfined?: boolean
}

const AGENT_HEADER = 'x-sluice-agent'
const SECRET_HEADER = 'x-sluice-agent-secret'
const BODY_BYTES = 4 * 1024 * 1024
const MOST_KEY_CHARACTERS = 1024
const HEARTBEAT_MS = 5000
/** Agents that follow at once. */
const MOST_WATCHES = 1000
/** An agent that lets this much pile up is cut off; it comes back and is sent the listing. */
const MOST_UNSENT_BYTES = 64 * 1024 * 1024

/** Serves `/v1/registry/…`. Errors are thrown as SluiceErrors, for the server's error handler. */
export async function registryRoutes(
  app: FastifyInstance,
  options: RegistryRouteOptions,
): Promise<void> {
  const { registry, authorize } = options
  const leases = new AgentLeases(registry)
  const feed = new RegistryFeed(registry, mayRead)
  // Before the server waits for its connections to end, which the watches alone would not.
  app.addHook('preClose', () => feed.close())
  if (authorize !== undefined) {
    app.addHook('onRequest', async (request) => authorize(request))
  }

  app.get('/v1/registry/entry', async (request) => {
    const { revision, entry } = await registry.get(keyOf(request))
    return { revision, entry: entry !== undefined && mayRead(entry.key) ? entry : undefined }
  })
  app.get('/v1/registry/entries', async (request) => {
    const [prefix = ''] = prefixesOf(request)
    const { revision, entries } = await registry.list(prefix)
    return { revision, entries: entries.filter(({ key }) => mayRead(key)) }
  })
  app.post('/v1/registry/commit', { bodyLimit: BODY_BYTES }, async (request) => {
    const asked = guardOperations(request.body, options)
    const { agent, operations } =
      options.isConfined === true
        ? await ofAgent(request, asked, options)
        : { agent: '', operations: asked }
    const { revision } = await registry.commit(operations)
    audit(options.log, request, { agent, operations, revision })
    return { revision }
  })
  app.get('/v1/registry/watch', watchServer(feed, options.log))
  leaseRoutes(app, leases)
}

/** What an agent may do of what it asks for, with its claim to its id. */
async function ofAgent(
  request: FastifyRequest,
  asked: RegistryOperation[],
  { registry, log }: RegistryRouteOptions,
): Promise<Pick<Committed, 'agent' | 'operations'>> {
  const agent = agentOf(request.headers[AGENT_HEADER])
  const secrets = secretsOf(request.headers[SECRET_HEADER])
  await confine(agent, asked, registry)
  try {
    const owned = withOwners(agent, asked)
    return { agent, operations: await withClaim(agent, secrets, owned, registry) }
  } catch (error) {
    const who = { who: request.caller, agent, requestId: request.id }
    log.warn({ audit: true, ...who }, messageOf(error))
    throw error
  }
}

interface Committed {
  agent: string
  operations: RegistryOperation[]
  revision: number
}

/** The same line as for a change by the API (committer.ts), for each record. */
function audit(log: Logger, request: FastifyRequest, committed: Committed): void {
  const { agent, operations, revision: after } = committed
  for (const { type: op, key } of operations) {
    const who = { who: request.caller, agent, requestId: request.id }
    log.info({ audit: true, ...who, op, key, after }, 'change')
  }
}

function leaseRoutes(app: FastifyInstance, leases: AgentLeases): void {
  app.post('/v1/registry/leases', async (request) => {
    const ttlMs = ttlOf(request)
    return { id: await leases.grant(ttlMs), ttlMs }
  })
  app.post('/v1/registry/leases/:id/renew', async (request) => {
    await leases.renew(leaseIdOf(request), ttlOf(request))
    return {}
  })
  app.post('/v1/registry/leases/:id/ask', async (request) => {
    await leases.ask(leaseIdOf(request), ttlOf(request))
    return {}
  })
  app.delete('/v1/registry/leases/:id', async (request) => {
    await leases.revoke(leaseIdOf(request))
    return {}
  })
}

/** The handler of watches. */
function watchServer(feed: RegistryFeed, log: Logger) {
  const streams = new EventStreams({
    ...{ most: MOST_WATCHES, what: 'watches are open', heartbeatMs: HEARTBEAT_MS },
    mostUnsentBytes: MOST_UNSENT_BYTES,
    headers: {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    },
  })
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const prefixes = prefixesOf(request)
    const lastEventId = String(request.headers['last-event-id'] ?? '')
    const stream = streams.open(reply, () =>
      log.warn(
        { agent: request.ip },
        "an agent reads the registry's changes too slowly; its connection is closed",
      ),
    )
    const write = (text: string) => stream.write(text)
    const end = () => stream.end()
    stream.onClose(feed.attach({ prefixes, write, end }, lastEventId))
  }
}

function keyOf(request: FastifyRequest): string {
  const { key } = request.query as { key?: unknown }
  if (typeof key === 'string' && key !== '' && key.length <= MOST_KEY_CHARACTERS) {
    return key
  }
  const what = `key must be given once, of at most ${MOST_KEY_CHARACTERS} characters`
  throw new SluiceError('invalid', what, { field: 'key' })
}

function prefixesOf(request: FastifyRequest): string[] {
  const { prefix = '' } = request.query as { prefix?: string | string[] }
  const prefixes = Array.isArray(prefix) ? prefix : [prefix]
  if (prefixes.length > 16 || prefixes.some((one) => one.length > 256)) {
    throw new SluiceError('invalid', 'at most 16 prefixes of 256 characters', { field: 'prefix' })
  }
  return prefixes
}

function ttlOf(request: FastifyRequest): number {
  const ttlMs = (request.body as { ttlMs?: unknown } | undefined | null)?.ttlMs
  if (isWhole(ttlMs, 1000, 86_400_000)) {
    return ttlMs
  }
  throw new SluiceError('invalid', 'ttlMs must be a whole number from 1000 to 86400000', {
    field: 'ttlMs',
  })
}

function leaseIdOf(request: FastifyRequest): string {
  const { id } = request.params as { id?: unknown }
  if (isLeaseId(id)) {
    return id
  }
  throw new SluiceError('not_found', 'there is no such lease', { field: 'lease' })
}
