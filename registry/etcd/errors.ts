/** What etcd and gRPC say, as errors of ours. */
import {
  EtcdAuthenticationFailedError,
  EtcdInvalidAuthTokenError,
  EtcdLeaseInvalidError,
  EtcdPermissionDeniedError,
  GRPCDeadlineExceededError,
  GRPCOutOfRangeError,
  GRPCUnauthenticatedError,
} from 'etcd3'
import { SluiceError, messageOf } from '../../runtime/errors.js'

/** Nothing was sent, so trying again repeats nothing. */
export function wasNeverSent(error: unknown): boolean {
  return /No connection established|Name resolution failed/.test(messageOf(error))
}

/** The token is of no use any more; a new client fetches another. */
export function isTokenGone(error: unknown): boolean {
  return (
    error instanceof EtcdInvalidAuthTokenError ||
    error instanceof GRPCUnauthenticatedError ||
    /invalid auth token|revision of auth store is old/.test(messageOf(error))
  )
}

export function isLeaseGone(error: unknown): boolean {
  return error instanceof EtcdLeaseInvalidError
}

/** The answer to the range that stands where a condition failed (see etcd-commit). */
export function isGuard(error: unknown): boolean {
  return error instanceof GRPCOutOfRangeError
}

/** Etcd answered, if only to refuse: it is there, and another endpoint would say the same. */
export function isAnswer(error: unknown): boolean {
  return (
    error instanceof SluiceError ||
    error instanceof EtcdPermissionDeniedError ||
    isLeaseGone(error) ||
    isGuard(error) ||
    /request is too large|too many operations|space exceeded/.test(messageOf(error))
  )
}

/** One line for people on why etcd at `endpoint` cannot be used. */
export function reasonOf(error: unknown, endpoint: string, username: string | undefined): string {
  const text = messageOf(error)
  if (error instanceof EtcdAuthenticationFailedError) {
    return `etcd at ${endpoint} refuses user ${username ?? ''}: wrong user name or password`
  }
  if (/user name is empty/.test(text)) {
    return `etcd at ${endpoint} wants a user name and a password, and none is set`
  }
  if (error instanceof EtcdPermissionDeniedError) {
    return `etcd at ${endpoint} does not permit it to user ${username ?? '(none)'}`
  }
  if (error instanceof GRPCDeadlineExceededError) {
    return `etcd at ${endpoint} does not answer in time`
  }
  const plain = text.replace(/^\d+ [A-Z_]+: /, '').replace(/ Resolution note:.*$/, '')
  return `etcd at ${endpoint} cannot be used: ${plain}`
}

/** The error that leaves the adapter. */
export function toSluiceError(
  error: unknown,
  endpoint: string,
  username: string | undefined,
): SluiceError {
  if (error instanceof SluiceError) {
    return error
  }
  const reason = reasonOf(error, endpoint, username)
  if (error instanceof EtcdPermissionDeniedError) {
    return new SluiceError('forbidden', reason, { cause: error })
  }
  if (/request is too large/.test(messageOf(error))) {
    const message = `one commit is larger than etcd at ${endpoint} takes (--max-request-bytes)`
    return new SluiceError('too_large', message, { cause: error })
  }
  if (/too many operations/.test(messageOf(error))) {
    const message = `one commit has more operations than etcd at ${endpoint} takes (--max-txn-ops)`
    return new SluiceError('too_large', message, { cause: error })
  }
  return new SluiceError('registry_unavailable', reason, { cause: error, retryable: true })
}
