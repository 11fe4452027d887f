/** One container engine behind its HTTP API, by dockerode, which nothing else imports. */
import Docker from 'dockerode'
import { messageOf, SluiceError } from '../../runtime/errors.js'
import { withTimeLimit } from '../../runtime/retry.js'
import { readImage, readInspected } from './container.js'
import type { Container, ImageConfig, Inspected } from './container.js'
import type { ContainerEngine, EngineEvents, EventHandlers, ListedContainer } from './engine.js'
import { parseEvent, splitLines } from './events.js'

const PING_TIMEOUT_MS = 2000
const UNARY_TIMEOUT_MS = 10_000
/** Time until the event stream's headers; the stream itself may be silent for days. */
const CONNECT_TIMEOUT_MS = 5000
/** Images that are remembered. */
const MOST_IMAGES = 1000
const USUAL_SOCKET = '/var/run/docker.sock'

type ClientOptions = Docker.DockerOptions & { connectionTimeout?: number }

/** The setting `docker` → the address to show, and what dockerode needs to get there. */
function locate(setting: string): { address: string; options: ClientOptions } {
  if (setting === 'auto') {
    const address = process.env.DOCKER_HOST
    return address === undefined || address === ''
      ? { address: `unix://${USUAL_SOCKET}`, options: { socketPath: USUAL_SOCKET } }
      : { address, options: {} }
  }
  if (setting.startsWith('unix://') || setting.startsWith('/')) {
    const socketPath = setting.replace(/^unix:\/\//, '')
    // An empty host keeps dockerode from taking DOCKER_HOST's instead.
    return { address: setting, options: { socketPath, host: '', protocol: 'http' } }
  }
  const url = URL.canParse(setting) ? new URL(setting) : undefined
  if (url === undefined || !/^(tcp|https?):$/.test(url.protocol) || url.hostname === '') {
    const expected = 'must be auto, off, unix:///path or tcp://host:port'
    const message = `docker ${JSON.stringify(setting)} ${expected}`
    throw new SluiceError('invalid', message, { field: 'docker' })
  }
  const protocol = url.protocol === 'https:' ? 'https' : 'http'
  const port = url.port || (protocol === 'https' ? '2376' : '2375')
  return { address: setting, options: { host: url.hostname, port, protocol } }
}

function statusCode(error: unknown): unknown {
  return error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
}

class DockerEngine implements ContainerEngine {
  readonly address: string
  readonly #events: Docker
  readonly #unary: Docker
  /** Ids of the networks that were asked for, and of those among them that are overlays. */
  readonly #networks = new Set<string>()
  readonly #overlays = new Set<string>()
  /** By their ids. */
  readonly #images = new Map<string, ImageConfig>()

  constructor(setting: string) {
    const { address, options } = locate(setting)
    this.address = address
    // Two clients, as a `timeout` would end an event stream in which nothing happens for a while.
    const forEvents: ClientOptions = { ...options, connectionTimeout: CONNECT_TIMEOUT_MS }
    this.#events = new Docker(forEvents)
    this.#unary = new Docker({ ...options, timeout: UNARY_TIMEOUT_MS })
  }

  async openEvents(handlers: EventHandlers): Promise<EngineEvents> {
    const filters = { type: ['container', 'network'] as Array<'container' | 'network'> }
    const stream = (await this.#events.getEvents({ filters })) as NodeJS.ReadableStream & {
      destroy(): void
    }
    const onLine = (line: string) => {
      const event = parseEvent(line)
      if (event === null) {
        handlers.onLost()
      } else {
        handlers.onEvent(event)
      }
    }
    const lines = splitLines(onLine, () => handlers.onLost())
    const closed = new Promise<string>((resolve) => {
      // dockerd that goes down makes `error` (ECONNRESET) and `close`, and no `end`.
      stream.on('error', (error: unknown) => resolve(messageOf(error)))
      stream.on('close', () => resolve('the event stream was closed'))
      stream.on('end', () => resolve('the event stream ended'))
    })
    stream.pipe(lines)
    return { closed, close: () => stream.destroy() }
  }

  async list(): Promise<ListedContainer[]> {
    const containers = await this.#call('list', this.#unary.listContainers({ all: true }))
    return containers.map(({ Id, State }) => ({
      id: Id,
      hasProcess: !/^(created|exited|dead|restarting|stopped|configured)$/.test(State),
    }))
  }

  async inspect(id: string): Promise<Container | undefined> {
    try {
      const inspected = await this.#call('inspect', this.#unary.getContainer(id).inspect())
      await this.#learnNetworks(inspected)
      const container = readInspected(inspected, this.#overlays)
      return { ...container, ofImage: await this.#imageOf(inspected) }
    } catch (error) {
      if (statusCode(error) === 404) {
        return undefined
      }
      throw error
    }
  }

  /** An image never changes, so each is asked for once. */
  async #imageOf({ Image: id = '' }: Inspected): Promise<ImageConfig> {
    const known = this.#images.get(id)
    if (known !== undefined) {
      return known
    }
    const image = await this.#inspectImage(id)
    if (this.#images.size >= MOST_IMAGES) {
      this.#images.clear()
    }
    this.#images.set(id, image)
    return image
  }

  /**
   * An image that was removed has no labels to compare with, so all labels count as the
   * container's own.
   */
  async #inspectImage(id: string): Promise<ImageConfig> {
    try {
      return readImage(await this.#call('image', this.#unary.getImage(id).inspect()))
    } catch (error) {
      if (id === '' || statusCode(error) === 404) {
        return { labels: {}, env: [] }
      }
      throw error
    }
  }

  /** A network never becomes another kind, so each is asked for once. */
  async #learnNetworks(inspected: Inspected): Promise<void> {
    const networks = Object.values(inspected.NetworkSettings?.Networks ?? {})
    const ids = networks.map((network) => network?.NetworkID ?? '')
    if (ids.every((id) => id === '' || this.#networks.has(id))) {
      return
    }
    const listed = await this.#call('networks', this.#unary.listNetworks())
    ids.forEach((id) => this.#networks.add(id))
    for (const { Id, Driver } of listed) {
      this.#networks.add(Id)
      if (Driver === 'overlay') {
        this.#overlays.add(Id)
      }
    }
  }

  async ping(): Promise<void> {
    await this.#call('ping', this.#unary.ping(), PING_TIMEOUT_MS)
  }

  // An answer that breaks off in its middle leaves dockerode's promise open for ever.
  #call<T>(what: string, work: Promise<T>, ms = UNARY_TIMEOUT_MS): Promise<T> {
    const late = () => new Error(`the engine did not answer ${what} within ${ms} ms`)
    return withTimeLimit(ms, work, late)
  }
}

/** Reaches nothing yet. Throws `invalid` when the setting is no address. */
export function openEngine(setting: string): ContainerEngine {
  return new DockerEngine(setting)
}
