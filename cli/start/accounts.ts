/** The account that nginx's workers run as. */
import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Whom nginx's workers run as. */
export interface Account {
  user: string
  group: string
  uid: number
  gid: number
}

const SOMEBODY_ELSE_MAY_ENTER = 0o001

function lineOf(file: string, field: number, value: string): string[] | undefined {
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[field] === value)
}

/** A user of this machine with its own group; undefined when there is none of this name. */
export function accountNamed(user: string): Account | undefined {
  try {
    const entry = lineOf('/etc/passwd', 0, user)
    const group = entry === undefined ? undefined : lineOf('/etc/group', 2, entry[3] ?? '')
    return entry === undefined || group === undefined
      ? undefined
      : { user, group: group[0] ?? '', uid: Number(entry[2]), gid: Number(entry[3]) }
  } catch {
    // A system without these files has no users by name.
    return undefined
  }
}

/** The first folder on the way to `path` that other users may not enter. */
function closedFolder(path: string): string | undefined {
  const parent = dirname(path)
  const above = parent === path ? undefined : closedFolder(parent)
  const closed = (statSync(path).mode & SOMEBODY_ELSE_MAY_ENTER) === 0
  return above ?? (closed ? path : undefined)
}

export type WorkerAccount = { account: Account } | { account: undefined; reason?: string }

/**
 * The account for the workers when this process is root; without it they run as this user. `reason`
 * is set when root's workers stay root, which is worth saying.
 */
export function workerAccount(home: string): WorkerAccount {
  if (process.getuid?.() !== 0) {
    return { account: undefined }
  }
  const account = accountNamed('nobody')
  if (account === undefined) {
    return { account, reason: 'there is no user nobody' }
  }
  const closed = closedFolder(home)
  return closed === undefined
    ? { account }
    : { account: undefined, reason: `${closed} is closed to the user nobody` }
}
