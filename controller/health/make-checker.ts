/** The checks of a controller: which certificates they show, and what they never ask. */
import type { Logger } from '../../runtime/logger.js'
import { isOwnAddress } from '../own-addresses.js'
import type { Desired } from '../state/desired.js'
import type { MakeChecks } from './active-checks.js'
import { Checker } from './checks/checker.js'

export interface MakeCheckerOptions {
  log: Logger
  /** Addresses that Sluice itself listens on. */
  ownAddresses: ReadonlySet<string>
  /** In PEM; undefined: those that the system trusts. */
  trustedCa: string | undefined
  certificates: () => Desired['certificates']
}

export function makeChecker(options: MakeCheckerOptions): MakeChecks {
  const { log, ownAddresses, trustedCa, certificates } = options
  const isOwn = (host: string, port: number): boolean => isOwnAddress(ownAddresses, host, port)
  const certificateOf = (id: string) => {
    const record = certificates().get(id)?.record
    return record?.client === true ? record : undefined
  }
  return (onChange) =>
    new Checker({
      ...{ log, onChange, isOwn, certificateOf },
      ...(trustedCa !== undefined && { trustedCa }),
    })
}
