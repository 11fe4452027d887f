/** How much the parts of the bench do: as usual, or just enough to show that they run. */

const isSmall = process.env.BENCH_SIZE === 'small'

/** `small` in a run with BENCH_SIZE=small, whose figures mean nothing; `usual` in any other. */
export function sized<T>(usual: T, small: T): T {
  return isSmall ? small : usual
}

/** A small run shows that a part runs with one of them; what differs, other tests hold. */
export const ENGINES: ReadonlyArray<'njs' | 'qjs'> = sized(['njs', 'qjs'], ['njs'])
