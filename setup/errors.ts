/** The errors of finding and fetching nginx. */
export type SetupErrorCode =
  | 'no_apt'
  | 'no_mirror'
  | 'no_keyring'
  | 'download_failed'
  | 'unpack_failed'
  | 'nginx_not_found'
  | 'nginx_not_executable'
  | 'nginx_not_nginx'
  | 'nginx_too_old'
  | 'nginx_no_njs'
  | 'njs_too_old'

/** Something this machine lacks. The message says what, and what to do about it. */
export class SetupError extends Error {
  readonly code: SetupErrorCode

  constructor(code: SetupErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SetupError'
    this.code = code
  }
}
