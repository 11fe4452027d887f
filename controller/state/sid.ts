/** The name of an address in the table and in nginx's pool. */
import { createHash } from 'crypto'
import { printAddress } from '../../contract/guard/address.js'

/** What the table and nginx's pool call an address: md5 in hex of `10.0.0.7:80`. */
export function sidOf(host: string, port: number): string {
  return createHash('md5').update(printAddress(host, port)).digest('hex')
}
