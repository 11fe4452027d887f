/** What the agent knows of containers' ports: which have answered, and which it does not reach. */
import { runOf } from '../engine/container.js'
import type { Container } from '../engine/container.js'
import type { Unreached } from './port-prober.js'
import { runIn, targetKey } from './probe-target.js'
import type { ProbeTarget } from './probe-target.js'

/** Targets are known by their {@link targetKey}. */
export class KnownPorts {
  readonly #answered = new Set<string>()
  /** Targets whose registered address this machine does not reach. */
  readonly #unreached = new Map<string, Unreached>()

  get answered(): ReadonlySet<string> {
    return this.#answered
  }

  get unreached(): ReadonlyMap<string, Unreached> {
    return this.#unreached
  }

  /** Not reached from here, and yet they may serve. */
  get doubtful(): Set<string> {
    const unreached = [...this.#unreached].filter(([, what]) => what !== 'refused')
    return new Set(unreached.map(([key]) => key))
  }

  /** What an earlier life of the agent knew. */
  recall(answered: Iterable<string>, doubtful: Iterable<string>): void {
    for (const key of answered) {
      this.#answered.add(key)
    }
    for (const key of doubtful) {
      this.#unreached.set(key, 'unknown')
    }
  }

  noteAnswer(target: ProbeTarget): void {
    this.#answered.add(targetKey(target))
  }

  noteReached(target: ProbeTarget): void {
    this.#unreached.delete(targetKey(target))
  }

  noteUnreached(target: ProbeTarget, what: Unreached): void {
    this.#unreached.set(targetKey(target), what)
    if (what === 'refused') {
      this.#answered.delete(targetKey(target))
    }
  }

  /** A container that gets requests again does so once its port has answered anew. */
  forgetAnswers(run: string): void {
    const answered = [...this.#answered].filter((key) => runIn(key) === run)
    answered.forEach((key) => this.#answered.delete(key))
  }

  /** Forgets what is known of other runs than those of `containers`. */
  retain(containers: readonly Container[]): void {
    const runs = new Set(containers.map(runOf))
    for (const keys of [this.#answered, this.#unreached]) {
      for (const key of keys.keys()) {
        if (!runs.has(runIn(key))) {
          keys.delete(key)
        }
      }
    }
  }
}
