/** wrk: where it comes from, and the throughput that it measures. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runCommand } from '../../setup/command.js'
import { messageOf } from '../../runtime/errors.js'
import { toolsFolder, unpackOnce } from '../../lab/tools.js'
import { sized } from '../rig/sized.js'

const CONNECTIONS = 32
/** Its shortest run is a second, so in a small run each connection waits between its requests. */
const SCRIPT = sized([], ['-s', fileURLToPath(new URL('unhurried.lua', import.meta.url))])

/** Path of wrk, unpacked on first use; undefined where it cannot be had. */
export async function ensureWrk(say: (line: string) => void): Promise<string | undefined> {
  const into = join(toolsFolder, 'wrk')
  const program = join(into, 'bin/wrk')
  const request = { suite: 'trixie', packages: ['wrk'], into, programs: ['usr/bin/wrk'], say }
  try {
    await unpackOnce(request)
    return program
  } catch (error) {
    // Processor time is measured without it; the report says that throughput was not.
    say(`wrk could not be had: ${messageOf(error)}`)
    return undefined
  }
}

/** One thread of wrk, over 32 connections. */
export function loadFlags(seconds: number): string[] {
  return ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, ...SCRIPT]
}

/**
 * Requests a second that one thread of wrk gets over 32 connections. Rejects when any was not
 * answered by 2xx.
 */
export async function throughput(options: {
  wrk: string
  url: string
  host: string
  seconds: number
  /** Each over a connection of its own. */
  once?: boolean
  /** One more, as it is sent. */
  header?: string
}): Promise<number> {
  const { wrk, url, host, seconds, once = false, header } = options
  const headers = [`Host: ${host}`, ...(once ? ['Connection: close'] : []), header ?? []].flat()
  const sent = headers.flatMap((line) => ['-H', line])
  const { code, stdout, stderr } = await runCommand(wrk, [...loadFlags(seconds), ...sent, url])
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? NaN)
  if (code === 0 && perSecond > 0 && !/Non-2xx|Socket errors/.test(stdout)) {
    return perSecond
  }
  throw new Error(`wrk ${url}: ${stdout}${stderr}`)
}
