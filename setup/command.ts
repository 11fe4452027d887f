/** Runs another program to its end. */
import { spawn } from 'node:child_process'

export interface CommandResult {
  /** Absent when the command could not be started at all. */
  code: number | null
  stdout: string
  stderr: string
  startError?: NodeJS.ErrnoException
}

/**
 * What a command said before it ended is here by then; what it left running may hold its output
 * open for ever.
 */
const LAST_WORDS_MS = 500

export interface CommandOptions {
  cwd?: string
  env?: NodeJS.ProcessEnv
}

/** Runs a command to its end; a failure is a result here, because callers know what it means. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const result: CommandResult = { code: null, stdout: '', stderr: '' }
    // Messages are parsed, so they must not be translated.
    const env = { ...(options.env ?? process.env), LC_ALL: 'C.UTF-8' }
    const child = spawn(command, args, { ...options, env, stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (result.stdout += chunk))
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (result.stderr += chunk))
    child.on('error', (error) => resolve({ ...result, startError: error }))
    child.on('exit', () => {
      const cut = setTimeout(() => {
        child.stdout.destroy()
        child.stderr.destroy()
      }, LAST_WORDS_MS)
      child.on('close', () => clearTimeout(cut))
    })
    child.on('close', (code) => resolve({ ...result, code }))
  })
}
