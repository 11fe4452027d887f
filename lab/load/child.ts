/** A script in a process of its own that answers questions. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { nodeArguments } from '../node.js'

interface Message {
  number: number
  body?: unknown
  error?: string
}

interface Waiting {
  resolve: (body: unknown) => void
  reject: (error: Error) => void
}

/** A script of this folder in a process that ends with ours, and answers what it is asked. */
export class Child {
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  readonly #ended: Promise<void>
  #count = 0

  constructor(script: string, args: string[]) {
    const file = fileURLToPath(new URL(script, import.meta.url))
    this.#process = spawn(process.execPath, [...nodeArguments(file), ...args], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#process.on('message', (message) => this.#onMessage(message as Message))
    this.#ended = new Promise((resolve) => {
      this.#process.once('exit', () => {
        for (const { reject } of this.#waiting.values()) {
          reject(new Error(`${script} ended`))
        }
        this.#waiting.clear()
        resolve()
      })
    })
  }

  /** Rejects when the process cannot do it, or ends before it has answered. */
  ask(body: unknown): Promise<unknown> {
    const number = ++this.#count
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject })
      this.#process.send({ number, body } satisfies Message, (error) => {
        if (error !== null && this.#waiting.delete(number)) {
          reject(error)
        }
      })
    })
  }

  /** kill -9; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#ended
  }

  #onMessage({ number, body, error }: Message): void {
    const waiting = this.#waiting.get(number)
    this.#waiting.delete(number)
    if (error === undefined) {
      waiting?.resolve(body)
    } else {
      waiting?.reject(new Error(error))
    }
  }
}

/**
 * The other end: answers each question with what `handle` makes of it. Ends this process with its
 * parent.
 */
export function answerParent(handle: (body: unknown) => unknown): void {
  process.on('message', (message) => {
    const { number, body } = message as Message
    Promise.resolve()
      .then(() => handle(body))
      .then(
        (answer) => process.send?.({ number, body: answer } satisfies Message),
        (error: unknown) => {
          const text = error instanceof Error ? error.message : String(error)
          process.send?.({ number, error: text } satisfies Message)
        },
      )
  })
  process.on('disconnect', () => process.exit(0))
}
