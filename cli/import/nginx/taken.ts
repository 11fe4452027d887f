/** What an import collects: records by name, and what it leaves alone with place and reason. */
import type { Directive } from '../../conf-check/parse-conf.js'

/** An entry of an upstream's `instances`, as a file for `SLUICE_FILES` has it. */
export interface TakenInstance {
  id: string
  host: string
  port: number
  weight?: number
  state?: 'down'
  backup?: true
  maxConns?: number
}

export interface TakenUpstream {
  policy: Record<string, unknown>
  tls?: { verify: false }
  instances: TakenInstance[]
}

/** Something of a configuration that people are to know. */
export interface Note {
  /** `/etc/nginx/nginx.conf:12` */
  at: string
  what: string
  why: string
}

export class Taken {
  readonly upstreams = new Map<string, TakenUpstream>()
  readonly routes = new Map<string, Record<string, unknown>>()
  /** Variables of Sluice's settings that go with them → value. */
  readonly settings = new Map<string, string>()
  /** What was taken, but not to the letter. */
  readonly differs: Note[] = []
  readonly left: Note[] = []

  leave(directive: Directive, why: string): void {
    this.left.push({ at: directive.at, what: print(directive), why })
  }

  differ(directive: Directive, why: string): void {
    this.differs.push({ at: directive.at, what: print(directive), why })
  }
}

function print({ name, args }: Directive): string {
  return [name, ...args].join(' ')
}
