/** The account that nginx's workers run as. */
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { SluiceError } from '../../runtime/errors.js'

/** Whom nginx's workers run as. */
export interface Account {
  user: string
  group: string
  uid: number
  gid: number
}

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

/** Tried in this order; an account of Sluice's own has nothing else that a worker could harm. */
const ACCOUNTS = ['sluice', 'nobody']

function mayEnter({ uid, gid }: Account, path: string): boolean {
  const { mode, uid: owner, gid: group } = statSync(path)
  const bit = owner === uid ? 0o100 : group === gid ? 0o010 : 0o001
  return (mode & bit) !== 0
}

/** The first folder on the way to `path` that the account may not enter. */
function closedFolder(account: Account, path: string): string | undefined {
  const parent = dirname(path)
  const above = parent === path ? undefined : closedFolder(account, parent)
  return above ?? (mayEnter(account, path) ? undefined : path)
}

function chosenAccount(user: string | undefined): Account {
  const names = user === undefined ? ACCOUNTS : [user]
  for (const name of names) {
    const account = accountNamed(name)
    if (account !== undefined) {
      return account
    }
  }
  const message = `this machine has no user ${names.join(' or ')} for nginx's workers; name one with --user`
  throw new SluiceError('invalid', message, { field: 'user' })
}

/**
 * The account for the workers when this process is root; undefined: they run as this user. As root
 * they run only where `user` says `root`: else it throws `invalid` when there is no account, or one
 * that the home is closed to.
 */
export function workerAccount(home: string, user: string | undefined): Account | undefined {
  if (process.getuid?.() !== 0 || user === 'root') {
    return undefined
  }
  const account = chosenAccount(user)
  const closed = closedFolder(account, home)
  if (closed === undefined) {
    return account
  }
  const message = `nginx's workers run as ${account.user}, who may not enter ${closed}: open it (chmod o+x ${closed}), take another home (--home /var/lib/sluice), or let the workers be root (--user root)`
  throw new SluiceError('invalid', message, { field: 'user' })
}

const STICKY = 0o1000
const BY_OTHERS = 0o022

function mayBeChanged(folder: string): boolean {
  const { uid, mode } = statSync(folder)
  return uid !== 0 || ((mode & BY_OTHERS) !== 0 && (mode & STICKY) === 0)
}

function withParents(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [path] : [...withParents(parent), path]
}

/**
 * The first folder on the way to the home that others than root may change, and with it what lies
 * below it; undefined where there is none, or where this process is not root.
 */
export function foreignFolder(home: string): string | undefined {
  const ways = process.getuid?.() === 0 ? [home, realpathSync(home)] : []
  return ways.flatMap(withParents).find(mayBeChanged)
}
