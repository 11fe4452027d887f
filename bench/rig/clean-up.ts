/** Work of the bench that leaves nothing running behind it. */
import type { Bench } from '../report/report.js'

/** Does `work`, and ends what it has started before the rest of the part goes on. */
export async function withCleanup<T>(
  { folder, say }: Omit<Bench, 'onEnd'>,
  work: (bench: Bench) => Promise<T>,
): Promise<T> {
  const closes: (() => Promise<void> | void)[] = []
  try {
    return await work({ folder, say, onEnd: (close) => void closes.push(close) })
  } finally {
    for (const close of closes.reverse()) {
      await close()
    }
  }
}
