/** Reads nginx's own variables about upstreams, which list a value for each try. */

/** The last value of such a list: of the try that answered. */
export function lastOf(list: string | undefined): string {
  const text = list === undefined ? '' : list
  const parts = text.split(/, | : /)
  return parts[parts.length - 1] as string
}

interface UpstreamVariables {
  readonly [name: string]: string | undefined
}

/** The status that an instance itself answered at the last try; 0 where it answered nothing. */
export function answeredStatus(v: UpstreamVariables): number {
  return /^\d/.test(lastOf(v.upstream_header_time)) ? Number(lastOf(v.upstream_status)) : 0
}

/** Whether anything of the request was sent at the last try. */
export function wasSent(v: UpstreamVariables): boolean {
  return /[1-9]/.test(lastOf(v.upstream_bytes_sent))
}
