/** What a dialect has and Sluice does not: collected, and said in one warning for a container. */

const MOST_NAMED = 12
const LONGEST = 120

export class LeftOut {
  readonly #names = new Map<string, string>()

  /** `why` is for people; '' where the name says enough. */
  add(name: string, why = ''): void {
    this.#names.set(name, why)
  }

  /** One warning, or none. */
  warnings(dialect: string): string[] {
    const all = [...this.#names].map(([name, why]) =>
      why === '' ? name.slice(0, LONGEST) : `${name.slice(0, LONGEST)} (${why})`,
    )
    const more = all.length > MOST_NAMED ? [`and ${all.length - MOST_NAMED} more`] : []
    const list = [...all.slice(0, MOST_NAMED), ...more].join('; ')
    return all.length === 0 ? [] : [`of ${dialect}'s labels Sluice does not do, or not so: ${list}`]
  }
}
