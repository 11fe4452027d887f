/** A key of etcd and its value, as other tools write them → an instance. Pure. */
import { isObject } from '../../../contract/guard/guarded.js'

export interface KeyInstance {
  service: string
  host: string
  port: number
  weight: number
  isDown: boolean
  isBackup: boolean
  metadata: Array<[string, string]>
  /** Of nginx's upstream modules, where the value says them. */
  maxFails: number | undefined
  failTimeoutMs: number | undefined
}

type Read = { ok: true; instance: KeyInstance } | { ok: false; reason: string }
type Fields = Record<string, unknown>

const wrong = (reason: string): Read => ({ ok: false, reason })

interface Address {
  host: string
  port: number | undefined
}

/** `10.0.0.7:80`, `[fd00::7]:80`, `http://10.0.0.7:80/`, `10.0.0.7` → its parts. */
function readAddress(text: string): Address | undefined {
  const match = /^(?:http:\/\/)?(?:\[([^\]/]+)\]|([^[\]:/\s]+))(?::(\d{1,5}))?\/?$/.exec(
    text.trim(),
  )
  const host = match?.[1] ?? match?.[2]
  const port = match?.[3]
  if (host !== undefined) {
    return { host, port: port === undefined ? undefined : Number(port) }
  }
  // An IPv6 literal without brackets has no port behind it.
  return /^[\da-fA-F:.]+$/.test(text) && text.includes('::')
    ? { host: text, port: undefined }
    : undefined
}

const firstOf = (fields: Fields, ...names: string[]): unknown =>
  names.map((name) => fields[name]).find((value) => value !== undefined && value !== null)

/** `1`, `"1"`, `true` are yes; undefined and the others that are known are no. */
function flagOf(value: unknown): boolean | undefined {
  if (value === undefined || value === null || [false, 0, '0', 'false'].includes(value as string)) {
    return false
  }
  return [true, 1, '1', 'true'].includes(value as string) ? true : undefined
}

/** Whole numbers stand as text in some tools' values. */
function wholeOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isInteger(number) ? number : undefined
}

/** `10` is seconds, as nginx has it. */
function millisecondsOf(value: unknown): number | undefined {
  const match = /^(\d{1,6})(ms|s|m)?$/.exec(String(value))
  const unitMs = { ms: 1, s: 1000, m: 60_000 }[match?.[2] ?? 's'] ?? 1000
  return match === null ? undefined : Number(match[1]) * unitMs
}

function metadataOf(value: unknown): Array<[string, string]> {
  const plain = (each: unknown) => ['string', 'number', 'boolean'].includes(typeof each)
  return isObject(value)
    ? Object.entries(value)
        .filter(([, each]) => plain(each))
        .map(([name, each]) => [name, String(each)])
    : []
}

function addressIn(fields: Fields, last: string): Address | undefined {
  const said = firstOf(fields, 'host', 'addr', 'Addr', 'address')
  const named = readAddress(last)
  const own = named?.port === undefined ? undefined : named
  const address = typeof said === 'string' ? readAddress(said) : own
  const port = wholeOf(firstOf(fields, 'port', 'Port'))
  return address && { host: address.host, port: port ?? address.port }
}

function readObject(service: string, fields: Fields, last: string): Read {
  const address = addressIn(fields, last)
  if (address === undefined) {
    return wrong('its value has no host, addr or address, and its last part is no <ip>:<port>')
  }
  if (address.port === undefined) {
    return wrong('its value has no port')
  }
  const { weight: said, max_fails: fails, fail_timeout: timeout } = fields
  const [isDown, isBackup] = [flagOf(fields.down), flagOf(fields.backup)]
  const weight = said === undefined ? 1 : wholeOf(said)
  const maxFails = wholeOf(fails)
  const failTimeoutMs = timeout === undefined ? undefined : millisecondsOf(timeout)
  if (isDown === undefined || isBackup === undefined) {
    return wrong(`${isDown === undefined ? 'down' : 'backup'} must be true, false, 1 or 0`)
  }
  if (weight === undefined) {
    return wrong('weight must be a whole number from 1 to 1000')
  }
  if (
    (fails !== undefined && maxFails === undefined) ||
    (timeout !== undefined && failTimeoutMs === undefined)
  ) {
    return wrong('max_fails must be a whole number, and fail_timeout a time such as 10 or 10s')
  }
  const metadata = metadataOf(firstOf(fields, 'metadata', 'Metadata'))
  const { host, port } = address
  const instance = { service, host, port, weight, isDown, isBackup, metadata }
  return { ok: true, instance: { ...instance, maxFails, failTimeoutMs } }
}

/** `key` without the prefix: `web/1`. */
export function readKey(key: string, value: string): Read {
  const [service = '', ...parts] = key.split('/')
  const last = parts.at(-1) ?? ''
  if (last === '' || service === '') {
    return wrong('a key is <service>/<instance> below the prefix')
  }
  const text = value.trim()
  if (text === '') {
    return readObject(service, {}, last)
  }
  if (!text.startsWith('{')) {
    const address = readAddress(text)
    return address?.port === undefined
      ? wrong('its value must be <ip>:<port>, http://<ip>:<port> or a JSON object')
      : readObject(service, { host: address.host, port: address.port }, last)
  }
  try {
    const fields: unknown = JSON.parse(text)
    return isObject(fields) ? readObject(service, fields, last) : wrong('its value is no object')
  } catch {
    return wrong('its value begins like JSON and is none')
  }
}
