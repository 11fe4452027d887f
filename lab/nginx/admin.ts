// The admin endpoint of a gateway, called as a controller calls it.
import type { GatewayState, Operation } from '../../contract/push.js'
import { ask, type Answer } from '../ask.js'
import { difference, type Entries } from './unit-builder.js'

export interface Admin {
  /** A call of the admin endpoint. */
  admin: (method: string, path: string, body?: unknown, headers?: object) => Promise<Answer>
  /** The JSON that a call answers; rejects unless that is 200. */
  call: <T>(method: string, path: string, body?: unknown) => Promise<T>
  state: () => Promise<GatewayState>
  /** Claims the gateway if need be and makes the table hold exactly `units`. */
  setTable: (...units: Entries[]) => Promise<void>
}

export function adminOf(socketPath: string): Admin {
  let table: Entries = new Map()
  let epoch = 0

  const admin: Admin['admin'] = (method, path, body, headers) => {
    const json = { 'content-type': 'application/json' }
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    return ask({
      socketPath,
      method,
      path,
      ...(text !== undefined && { body: text }),
      headers: { ...(text !== undefined && json), ...headers },
    })
  }
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await admin(method, path, body)
    if (answer.status !== 200) {
      throw new Error(`${path}: ${answer.status} ${answer.body}`)
    }
    return answer.json as T
  }
  const state = (): Promise<GatewayState> => call('GET', '/state')

  const push = async (operations: Operation[]): Promise<void> => {
    let { revision } = await state()
    for (let i = 0; i === 0 || i < operations.length; i += 500) {
      const part = operations.slice(i, i + 500)
      const whole = i + 500 >= operations.length
      const to = whole ? revision + 1 : revision
      await call('POST', '/delta', { epoch, from: revision, to, whole, operations: part })
      revision = to
    }
  }
  const setTable: Admin['setTable'] = async (...units) => {
    const there = await state()
    if (epoch === 0 || there.epoch !== epoch) {
      if (there.epoch === 0) {
        table = new Map()
      }
      const expect = there.epoch
      epoch = Math.max(epoch, expect) + 1
      await call('POST', '/claim', { epoch, expect })
    }
    const next: Entries = new Map(units.flatMap((unit) => [...unit]))
    await push(difference(table, next))
    table = next
  }
  return { admin, call, state, setTable }
}
