/** What a command is, and what it is called with. */
import type { Config } from '../runtime/config/load.js'
import type { ApiClient } from './client.js'

/** A flag of a command's own, beside the settings. */
export interface Option {
  type: 'boolean' | 'string'
  /** What stands for the value in the help: `<time>`. */
  value?: string
  means: string
  /** May be given several times; {@link Invocation.repeated} has it. */
  repeats?: true
}

export interface Invocation {
  positionals: string[]
  /**
   * The command's own flags as given. A boolean one is `true`, `false` or absent: see {@link isOn}.
   */
  flags: ReadonlyMap<string, string>
  /** What was given of flags that may be given several times, in order. */
  repeated: ReadonlyMap<string, readonly string[]>
  config: Config
  json: boolean
  /** Writes a line to stdout. */
  print: (line: string) => void
  /** The file that runs, to start more of it. */
  program: string
  connect: () => ApiClient
}

export interface Command {
  name: string
  /** After the name: `<upstream> <id> <host:port>`. */
  usage: string
  /** Fewest and most positionals. */
  positionals: [least: number, most: number]
  summary: string
  options: Record<string, Option>
  /** Whether it takes the flags of all settings, or only those that find the API. */
  settings: 'all' | 'client'
  /** Whether it serves until it is told to stop, even where its output cannot be written. */
  serves?: (flags: Invocation['flags']) => boolean
  /**
   * The exit code: 0 or 1. What it throws is printed and ends in 1, or in 2 when it is a {@link
   * UsageError}.
   */
  run(invocation: Invocation): Promise<number>
}

/** Whether a boolean flag is given, and not as `--flag=false`. */
export function isOn(flags: Invocation['flags'], flag: string): boolean {
  return flags.get(flag) === 'true'
}
