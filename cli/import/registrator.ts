/** registrator's command line → settings of an agent that does the same. Pure. */
import { parseIp } from '../../contract/guard/address.js'
import { readGoFlags } from './go-flags.js'

export interface SettingsFor {
  /** Variable → value; only what is not the default. */
  settings: Map<string, string>
  /** Flag by flag: what became of it, and why. */
  why: Array<{ flag: string; text: string }>
}

interface Flag {
  takesValue: boolean
  text: string
}

function nothing(takesValue: boolean, text: string): Flag {
  return { takesValue, text: `nothing to set: ${text}` }
}

const FLAGS: Record<string, Flag> = {
  internal: { takesValue: false, text: 'exposed ports count, not published ones' },
  explicit: nothing(false, 'only what has a SERVICE_NAME counts'),
  ip: { takesValue: true, text: 'published ports are registered with it' },
  cleanup: nothing(false, 'what an agent registered goes when its container does, or its lease'),
  deregister: nothing(true, 'a container that ended is not served, whatever its exit code'),
  resync: nothing(true, 'all containers are looked at again by themselves'),
  ttl: nothing(true, 'registrations are under a lease: SLUICE_AGENT_TTL'),
  'ttl-refresh': nothing(true, 'the lease is renewed by itself'),
  'retry-attempts': nothing(true, 'what fails is tried until it works'),
  'retry-interval': nothing(true, 'the time between tries grows by itself'),
  tags: { takesValue: true, text: 'not taken: tags come from each container, SERVICE_TAGS' },
  useIpFromLabel: { takesValue: true, text: 'not taken: the label sluice.network names a network' },
  version: nothing(false, 'it prints a version'),
}

const REGISTRY = 'nothing to set: the agent registers with Sluice itself; see SLUICE_REGISTRY'

function settingFor(name: string, value: string): [variable: string, value: string] | undefined {
  if (name === 'internal' && value !== 'false') {
    return ['SLUICE_REGISTRATOR_INTERNAL', 'true']
  }
  return name === 'ip' && parseIp(value) !== null ? ['SLUICE_AGENT_ADDRESS', value] : undefined
}

/** Flags that registrator does not have are named. Throws {@link UsageError}. */
export function importRegistrator(args: readonly string[]): SettingsFor {
  const has = (name: string) => Object.hasOwn(FLAGS, name)
  const { flags, positionals } = readGoFlags(args, (name) =>
    has(name) ? FLAGS[name]?.takesValue : undefined,
  )
  const result: SettingsFor = { settings: new Map(), why: [] }
  for (const { name, value = '' } of flags) {
    const setting = settingFor(name, value)
    const isWrong = name === 'ip' && setting === undefined
    const known = isWrong ? 'not taken: it is no address' : FLAGS[name]?.text
    const text = has(name) ? known : undefined
    const set = setting === undefined ? '' : `${setting[0]}: `
    result.why.push({ flag: `-${name}`, text: set + (text ?? 'registrator has no such flag') })
    if (setting !== undefined) {
      result.settings.set(...setting)
    }
  }
  if (!flags.some(({ name, value }) => name === 'explicit' && value !== 'false')) {
    result.settings.set('SLUICE_REGISTRATOR_EXPLICIT', 'false')
    const text = 'SLUICE_REGISTRATOR_EXPLICIT: without SERVICE_NAME the image gives the name'
    result.why.push({ flag: 'no -explicit', text })
  }
  positionals.forEach((flag) => result.why.push({ flag, text: REGISTRY }))
  return result
}

/** An environment file; why each line is there stands above. */
export function printSettings({ settings, why }: SettingsFor): string {
  const reasons = why.map(({ flag, text }) => `# ${flag}: ${text}`.replace(/[\r\n]+/g, ' '))
  const lines = [...settings].map(([name, value]) => `${name}=${value}`)
  return [...reasons, ...lines].join('\n')
}
