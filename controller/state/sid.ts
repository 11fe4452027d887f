/** The name of an address in the table and in nginx's pool. */
import { createHash } from 'node:crypto'
import { printAddress } from '../../contract/guard/address.js'

interface Address {
  host: string
  port: number
}

/** A record is never changed in place, so its name is made once. */
const known = new WeakMap<Address, string>()

/** What the table and nginx's pool call an address: md5 in hex of `10.0.0.7:80`. */
export function sidOfAddress(address: string): string {
  return createHash('md5').update(address).digest('hex')
}

/** The same of its two parts. */
export function sidOf(host: string, port: number): string {
  return sidOfAddress(printAddress(host, port))
}

/** The same of an instance's record. */
export function sidOfRecord(record: Address): string {
  const sid = known.get(record) ?? sidOf(record.host, record.port)
  known.set(record, sid)
  return sid
}
