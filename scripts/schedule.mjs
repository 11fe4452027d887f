// Runs jobs side by side, each as soon as there is room for it and what it needs is there.

/**
 * `jobs`: in the order in which they are to start; one that still lacks something is overtaken.
 * `run` may not reject. `needs`: promises that never reject. `share`: of `room`, while it runs.
 *
 * @param {{ run: () => Promise<void>, needs?: Promise<unknown>[], share: number }[]} jobs
 * @param {number} room
 */
export function runJobs(jobs, room) {
  const waiting = jobs.map((job) => ({ ...job, ready: (job.needs ?? []).length === 0 }))
  let free = room
  return new Promise((resolve) => {
    const startNext = () => {
      for (const job of waiting.filter(({ ready }) => ready)) {
        // One that needs much room is not overtaken for ever by those that need little.
        if (job.share > free) {
          break
        }
        waiting.splice(waiting.indexOf(job), 1)
        free -= job.share
        void job.run().then(() => {
          free += job.share
          startNext()
        })
      }
      if (waiting.length === 0 && free === room) {
        resolve()
      }
    }
    for (const job of waiting.filter(({ ready }) => !ready)) {
      void Promise.all(job.needs).then(() => {
        job.ready = true
        startNext()
      })
    }
    startNext()
  })
}
