/** A proxy in front that is believed: what it says, and what instances are sent then. */

/** Its address. */
export const PROXY = '127.0.0.2'

export const SAID = {
  'X-Forwarded-For': '6.6.6.6, 203.0.113.9',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Host': 'public.test',
  Forwarded: 'for=6.6.6.6;proto=https;host=public.test',
}

/** At a host `acts.test`. */
export const BELIEVED = {
  host: 'acts.test',
  'x-real-ip': '203.0.113.9',
  'x-forwarded-for': '203.0.113.9, 127.0.0.2',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'public.test',
  'x-forwarded-port': '443',
  forwarded: SAID.Forwarded,
}
