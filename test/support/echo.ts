/** What a backend of the lab says of the request that reached it. */
import type { Answer } from '../../lab/ask.js'

export interface Echo {
  id: string
  method: string
  url: string
  headers: Record<string, string>
  bytes: number
  digest: string
}

export function echoOf(answer: Answer): Echo {
  return answer.json as Echo
}
