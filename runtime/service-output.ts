/** Where a service prints its lines: to stdout, whatever becomes of that. */
import { destination } from 'pino'
import { messageOf, systemCode } from './errors.js'

type Output = ReturnType<typeof destination>

let isSaid = false

/** Once in a process, on stderr: a full disk would have it said with every line. */
function sayLost(error: unknown): void {
  if (!isSaid) {
    isSaid = true
    process.stderr.write(`sluice: the output cannot be written: ${messageOf(error)}\n`)
  }
}

/**
 * Text that cannot be written is lost, and ends no service. Once there is room again, what comes
 * then is written.
 */
export function serviceOutput(): { write(text: string): void } {
  const open = (): Output =>
    destination({ fd: 1, sync: true }).on('error', (error: unknown) => {
      // Nobody reads any more: pino's own listener has made it write nowhere.
      if (systemCode(error) !== 'EPIPE') {
        sayLost(error)
        // The one that failed would keep all text until it can be written.
        output = open()
      }
    })
  let output = open()
  return { write: (text) => void output.write(text) }
}
