/** What nginx's `hash` is given → what Sluice's is. Pure. */

const KINDS: Record<string, string> = { cookie: 'cookie', arg: 'argument', http: 'header' }

/** `$cookie_user` → `cookie:user`; undefined where Sluice has no such key. */
export function hashKeyOf(variable: string): string | undefined {
  if (/^\$(binary_)?remote_addr$/.test(variable)) {
    return 'address'
  }
  if (variable === '$request_uri') {
    return 'uri'
  }
  const match = /^\$(cookie|arg|http)_(\w+)$/.exec(variable)
  if (match === null) {
    return undefined
  }
  const kind = match[1] as string
  const name = match[2] as string
  return (KINDS[kind] as string) + ':' + (kind === 'http' ? name.replace(/_/g, '-') : name)
}
