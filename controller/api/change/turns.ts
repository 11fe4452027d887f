/**
 * Work that must not overlap, by name: one after the other, whatever became of those before. Small
 * work passes large work that still waits, unless both are about the same thing.
 */

interface Waiting {
  /** What the work is about. */
  about: ReadonlySet<string>
  passed: number
  begin(): void
}

/** Work about so many things at most is small. */
const SMALL = 10
/** So often at most is waiting work passed: it must get its turn. */
const MOST_PASSED = 100

export class Turns {
  /** By name, those who wait; a name that is here has its turn taken. */
  readonly #lines = new Map<string, Waiting[]>()

  async take<T>(name: string, about: ReadonlySet<string>, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(name)
    if (line === undefined) {
      this.#lines.set(name, [])
    } else {
      await new Promise<void>((begin) => line.push({ about, passed: 0, begin }))
    }
    try {
      return await work()
    } finally {
      this.#next(name)
    }
  }

  #next(name: string): void {
    const line = this.#lines.get(name) ?? []
    const [next] = line.splice(placeOfNext(line), 1)
    if (next === undefined) {
      this.#lines.delete(name)
    } else {
      next.begin()
    }
  }
}

/** The first in the line, or the first small one that may pass those before it. */
function placeOfNext(line: Waiting[]): number {
  for (const [place, { about }] of line.entries()) {
    const before = line.slice(0, place)
    if (about.size <= SMALL && before.every((large) => mayPass(about, large))) {
      before.forEach((large) => (large.passed += 1))
      return place
    }
  }
  return 0
}

function mayPass(about: ReadonlySet<string>, large: Waiting): boolean {
  return large.passed < MOST_PASSED && ![...about].some((one) => large.about.has(one))
}
