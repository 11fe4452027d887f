/** The text of a file of upstreams and routes → records, or what is wrong at which line. Pure. */
import { LineCounter, isMap, isPair, isScalar, isSeq, parseAllDocuments } from 'yaml'
import type { Document, Node, YAMLError } from 'yaml'
import type { AddressPolicy } from '../../../contract/guard/address.js'
import { guardShape, isObject, UNKNOWN_FIELD } from '../../../contract/guard/guarded.js'
import type { Guarded } from '../../../contract/guard/guarded.js'
import { isInstanceId, isName, NAME_RULE } from '../../../contract/guard/names.js'
import { guardInstance } from '../../../contract/record/instance-record.js'
import type { InstanceRecord } from '../../../contract/record/instance-record.js'
import { guardRoute } from '../../../contract/record/route.js'
import type { RouteRecord } from '../../../contract/record/route.js'
import { guardStreamRoute, isStreamRoute } from '../../../contract/record/stream-route.js'
import type { StreamRouteRecord } from '../../../contract/record/stream-route.js'
import { guardUpstream, UPSTREAM_FIELDS } from '../../../contract/record/upstream-record.js'
import type { UpstreamRecord } from '../../../contract/record/upstream-record.js'

interface FileInstance {
  upstream: string
  /** Absent: it is known by its address. */
  id?: string
  record: InstanceRecord
  line: number
}

export interface FileRoute {
  id: string
  record: RouteRecord | StreamRouteRecord
  line: number
}

interface FileSettings {
  upstream: string
  record: UpstreamRecord
  line: number
}

export interface FileContent {
  instances: FileInstance[]
  routes: FileRoute[]
  settings: FileSettings[]
}

export interface FileProblem {
  /** Counted from 1. */
  line: number
  /** What was expected there. */
  text: string
}

type Path = Array<string | number>

const PARTS = ['upstreams', 'routes']
/** What others write of an instance is not for a file to say. */
const NOT_FOR_FILES = ['agent', 'gone', 'ttlMs']
const INSTANCE_ID_RULE = 'must be 1 to 128 characters of A-Z a-z 0-9 _ . : -'

/** `upstreams.web.instances[0].port` */
function printPath(path: Path): string {
  return path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`))
    .join('')
}

/** `hosts[0].x` → `['hosts', 0, 'x']` */
function parseField(field: string): Path {
  return field
    .split(/[.[\]]+/)
    .filter((part) => part !== '')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
}

class Reader {
  readonly content: FileContent = { instances: [], routes: [], settings: [] }
  readonly problems: FileProblem[] = []
  readonly #lines: LineCounter
  readonly #policy: AddressPolicy
  #document: Document | undefined

  constructor(lines: LineCounter, policy: AddressPolicy) {
    this.#lines = lines
    this.#policy = policy
  }

  readDocument(document: Document): void {
    this.#document = document
    const value: unknown = document.toJS({ maxAliasCount: 100 })
    if (value === null || value === undefined) {
      return
    }
    const shape = this.#guarded([], guardShape(value, PARTS))
    if (shape === undefined) {
      return
    }
    for (const [name, upstream] of this.#named(['upstreams'], shape.upstreams)) {
      this.#readUpstream(name, upstream)
    }
    for (const [id, route] of this.#named(['routes'], shape.routes)) {
      const path = ['routes', id]
      const record = this.#guarded<RouteRecord | StreamRouteRecord>(
        path,
        isStreamRoute(route) ? guardStreamRoute(route) : guardRoute(route),
      )
      if (record !== undefined) {
        this.content.routes.push({ id, record, line: this.#lineOf(path) })
      }
    }
  }

  noteError({ pos, message }: YAMLError): void {
    this.problems.push({ line: this.#lines.linePos(pos[0]).line, text: message })
  }

  #readUpstream(upstream: string, value: unknown): void {
    const path = ['upstreams', upstream]
    const known = [...UPSTREAM_FIELDS, 'instances']
    const shape = this.#guarded(path, guardShape(value ?? {}, known))
    if (shape === undefined) {
      return
    }
    const { instances = [], ...settings } = shape
    if (Object.keys(settings).length > 0) {
      const record = this.#guarded(path, guardUpstream(settings))
      if (record !== undefined) {
        this.content.settings.push({ upstream, record, line: this.#lineOf(path) })
      }
    }
    if (!Array.isArray(instances)) {
      this.#complain([...path, 'instances'], 'must be a list')
      return
    }
    instances.forEach((instance: unknown, i) =>
      this.#readInstance(upstream, instance, [...path, 'instances', i]),
    )
  }

  #readInstance(upstream: string, value: unknown, path: Path): void {
    if (!isObject(value)) {
      this.#complain(path, 'must be an object such as {host: 10.0.0.7, port: 80}')
      return
    }
    const { id, ...fields } = value
    if (id !== undefined && !isInstanceId(id)) {
      this.#complain([...path, 'id'], INSTANCE_ID_RULE)
      return
    }
    const extra = NOT_FOR_FILES.find((field) => field in fields)
    if (extra !== undefined) {
      this.#complain([...path, extra], UNKNOWN_FIELD)
      return
    }
    const record = this.#guarded(path, guardInstance(fields, this.#policy))
    if (record !== undefined) {
      const line = this.#lineOf(path)
      this.content.instances.push({ upstream, record, line, ...(id !== undefined && { id }) })
    }
  }

  /** The entries of a part whose names are names. */
  #named(path: Path, value: unknown): Array<[string, unknown]> {
    if (value === undefined || value === null) {
      return []
    }
    if (!isObject(value)) {
      this.#complain(path, 'must be an object of them by name')
      return []
    }
    return Object.entries(value).filter(([name]) => {
      const isRight = isName(name)
      if (!isRight) {
        this.#complain([...path, name], `its name ${NAME_RULE}`)
      }
      return isRight
    })
  }

  #guarded<T>(path: Path, guarded: Guarded<T>): T | undefined {
    if (guarded.ok) {
      return guarded.value
    }
    this.#complain([...path, ...parseField(guarded.field)], guarded.message)
    return undefined
  }

  #complain(path: Path, message: string): void {
    const at = path.length === 0 ? 'the document' : printPath(path)
    this.problems.push({ line: this.#lineOf(path), text: `${at} ${message}` })
  }

  /** Of the deepest part of `path` that stands in the document. */
  #lineOf(path: Path): number {
    let node: unknown = this.#document?.contents
    let offset = (node as Node | undefined)?.range?.[0] ?? 0
    for (const part of path) {
      const next = this.#inside(node, part)
      if (next === undefined) {
        break
      }
      offset = next.offset
      node = next.node
    }
    return this.#lines.linePos(offset).line
  }

  #inside(node: unknown, part: string | number): { node: unknown; offset: number } | undefined {
    if (isSeq(node)) {
      const item = node.items[Number(part)] as Node | undefined
      return item?.range ? { node: item, offset: item.range[0] } : undefined
    }
    const pairs = isMap(node) ? node.items : []
    const pair = pairs.find(({ key }) => isScalar(key) && String(key.value) === String(part))
    const range = isPair(pair) && isScalar(pair.key) ? pair.key.range : undefined
    return range ? { node: pair?.value, offset: range[0] } : undefined
  }
}

/**
 * All of it, or all that is wrong with it: nothing of a bad file is used. JSON is read as the YAML
 * that it is.
 */
export function readFileContent(
  text: string,
  policy: AddressPolicy,
): { ok: true; content: FileContent } | { ok: false; problems: FileProblem[] } {
  const lineCounter = new LineCounter()
  const reader = new Reader(lineCounter, policy)
  const documents = parseAllDocuments(text, { lineCounter, prettyErrors: false })
  const all: Document[] = Array.isArray(documents) ? documents : []
  for (const document of all) {
    document.errors.forEach((error) => reader.noteError(error))
    if (document.errors.length === 0) {
      try {
        reader.readDocument(document)
      } catch (error) {
        // An alias of nothing, or of far too much.
        const message = error instanceof Error ? error.message : String(error)
        reader.problems.push({ line: 1, text: message })
      }
    }
  }
  const { problems, content } = reader
  return problems.length > 0 ? { ok: false, problems } : { ok: true, content }
}
