/** The contents of a folder's files → the level of the source. Pure. */
import { sourceInstanceId, sourceRouteId } from '../entry-owner.js'
import type { SourceLevel, SourceRoute } from '../source.js'
import type { FileContent, FileProblem, FileRoute } from './file-content.js'

const NAME = 'files'

/** A file as it was read last. */
export interface KnownFile {
  signature: string
  /** What it said when it was good last. */
  content: FileContent | undefined
  /** What is wrong with it now. */
  problems: FileProblem[]
}

/** A route for each of its hosts, so that a host which another source has is refused alone. */
function routesOf({ id, record, line }: FileRoute, file: string, agent: string): SourceRoute[] {
  const from = `${file}:${line}`
  if (!('hosts' in record)) {
    return [{ id: sourceRouteId(agent, NAME, id), record, from }]
  }
  return record.hosts.map((host) => ({
    ...{ id: sourceRouteId(agent, NAME, id, host), record: { ...record, hosts: [host] }, from },
  }))
}

class Level {
  readonly level: SourceLevel = {
    ...{ instances: [], routes: [], settings: new Map() },
    ...{ refused: [], warnings: [], why: [] },
  }
  readonly #agent: string
  /** What of one kind may be there once → where it is. */
  readonly #places = new Map<string, string>()

  constructor(agent: string) {
    this.#agent = agent
  }

  add(file: string, { instances, routes, settings }: FileContent): void {
    for (const { upstream, id: given, record, line } of instances) {
      const { host, port } = record
      const id = given ?? sourceInstanceId(this.#agent, NAME, host, String(port))
      const from = `${file}:${line}`
      if (this.#isFirst(`instance ${id} of upstream ${upstream}`, from)) {
        const owned = { ...record, agent: this.#agent }
        this.level.instances.push({ upstream, id, record: owned, from })
      }
    }
    for (const route of routes) {
      if (this.#isFirst(`route ${route.id}`, `${file}:${route.line}`)) {
        this.level.routes.push(...routesOf(route, file, this.#agent))
      }
    }
    for (const { upstream, record, line } of settings) {
      if (this.#isFirst(`settings of upstream ${upstream}`, `${file}:${line}`)) {
        this.level.settings.set(upstream, record)
      }
    }
  }

  /** The first file by name has it. */
  #isFirst(what: string, from: string): boolean {
    const place = this.#places.get(what)
    if (place !== undefined) {
      this.level.refused.push({ name: from, text: `${what} is at ${place} already` })
      return false
    }
    this.#places.set(what, from)
    return true
  }
}

/** `files`: by name. Of a bad one its last good content counts, and what is wrong is said. */
export function makeLevel(files: ReadonlyMap<string, KnownFile>, agent: string): SourceLevel {
  const level = new Level(agent)
  for (const [name, { content, problems }] of files) {
    for (const { line, text } of problems) {
      level.level.refused.push({ name: `${name}:${line}`, text })
    }
    if (content !== undefined) {
      level.add(name, content)
    }
    if (problems.length > 0) {
      const text = content === undefined ? 'nothing of it is used' : 'what it said before stays'
      level.level.why.push({ name, text })
    }
  }
  return level.level
}
