/** Units that are a record alone: certificates, passed names, routes that act. */
import { type ActionRecord, printActionRecord } from '../../contract/table/action-record.js'
import { SNI_PREFIX } from '../../contract/table/mark.js'
import type { Certificate } from '../state/certificate.js'
import { type Unit, makeUnit } from './unit.js'

/** The digest stands before the first PEM, in a line that nginx skips. */
export function compileCertificate(name: string, { record }: Certificate): Unit {
  return makeUnit(`^${name}`, `\n${record.certificate}${record.privateKey}`, new Map())
}

/** That TLS of a name is passed through, for `http{}`, which cannot do so with HTTP/3. */
export function passthroughUnit(name: string): Unit {
  return makeUnit(`@${SNI_PREFIX}${name}`, '', new Map())
}

export function compileAction(name: string, record: ActionRecord): Unit {
  return makeUnit(name, printActionRecord(record), new Map())
}
