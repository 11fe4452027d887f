/** The access log: a line for each request, as JSON. */

/** Fields whose values clients send, by their names in a line. */
const GIVEN: Array<[field: string, variable: string]> = [
  ['method', '$request_method'],
  ['host', '$host'],
  ['uri', '$request_uri'],
  ['referer', '$http_referer'],
  ['userAgent', '$http_user_agent'],
]

const OWN = new Map(GIVEN)

const MOST_BYTES = 2000

/** Control characters: nginx writes DEL and those above it as they are, six bytes for others. */
const CONTROL = '[\\x01-\\x1f\\x7f]|\\xc2[\\x80-\\x9f]'

function variableOf(field: string): string {
  return `$sluice_log_${field.toLowerCase()}`
}

/**
 * A field that a client fills is cut before its first control character, and where it gets too
 * long. All such fields are looked at together first, which is all that a usual request pays for.
 */
function givenMaps(): string[] {
  const all = GIVEN.map(([, variable]) => variable).join('')
  return [
    `map "${all}" $sluice_log_odd { default ''; "~^.{${MOST_BYTES}}" 1; "~${CONTROL}" 1; }`,
    ...GIVEN.flatMap(([field, variable]) => {
      const [shown, cut] = [variableOf(field), `${variableOf(field)}_cut`]
      // The last byte is no part of a longer character.
      const long = `~^(.{${MOST_BYTES - 10},${MOST_BYTES}})(?=[^\\x80-\\xbf])`
      const bad = `~^(.{0,${MOST_BYTES}}?)(?:${CONTROL})`
      return [
        `map $sluice_log_odd ${shown} { default ${variable}; 1 ${cut}; }`,
        `map ${variable} ${cut} { default ${variable}; "${bad}" "$1..."; "${long}" "$1..."; }`,
      ]
    }),
  ]
}

/**
 * An upstream's name ends at a dot: what follows says which of its instances were meant. Where the
 * hop was asked, its own address and status say nothing of instances. So it reports theirs, or that
 * Sluice itself answered.
 */
const LOG_MAPS = `map $sluice_log $sluice_log_upstream { default -; "~^([^ .]+)" $1; }
map $sluice_log $sluice_log_instance { default -; "~^\\S+ (\\S+) " $1; }
map $sluice_log $sluice_log_tries { default 0; "~^\\S+ \\S+ (\\d+)" $1; }
map $sluice_log $sluice_log_status { default $upstream_status; "~^\\S+ \\S+ \\d+!" $sluice_front_status; }
map $upstream_status $sluice_front_status { default ''; "~^(.+)(, | : )\\d+$" $1; }
map $upstream_addr $sluice_log_address { default $upstream_addr; "~^(?<sluice_front>.*?)unix:" $sluice_front$sluice_hop_address; }
map $sluice_log $sluice_hop_address { default ''; "~^\\S+ \\S+ \\S+ (.+)" $1; }`

/** `filled`: answers the variable of a field that clients fill. */
function logFormat(name: string, scheme: string, filled: (field: string) => string): string {
  const given = (field: string): string => `"${field}":"${filled(field)}"`
  return `log_format ${name} escape=json
    '{"time":"$time_iso8601","requestId":"$request_id","client":"$remote_addr",'
    '${given('method')},"scheme":"${scheme}",${given('host')},${given('uri')},'
    '"protocol":"$server_protocol","status":$status,"bytesReceived":$request_length,"bytesSent":$bytes_sent,'
    '"upstream":"$sluice_log_upstream","instance":"$sluice_log_instance","tries":$sluice_log_tries,'
    '"address":"$sluice_log_address","upstreamStatus":"$sluice_log_status","seconds":$request_time,"connectSeconds":"$upstream_connect_time",'
    '"headerSeconds":"$upstream_header_time","upstreamSeconds":"$upstream_response_time",'
    '${given('referer')},${given('userAgent')}}';`
}

/**
 * The format `sluice`, and the maps that it needs. `scheme`: the variable of the client's scheme.
 * `sluice_usual` is the same line without cuts, for requests that need none, since each map costs.
 */
export function accessLogFormat(scheme: string): string {
  return [
    ...givenMaps(),
    "map $sluice_log_odd $sluice_log_usual { default 1; 1 ''; }",
    LOG_MAPS,
    logFormat('sluice', scheme, variableOf),
    logFormat('sluice_usual', scheme, (field) => OWN.get(field) ?? '-'),
  ].join('\n')
}

/** Logs each request in one of the two formats. */
export function accessLogLines(path: string): string[] {
  const buffered = 'buffer=64k flush=1s'
  return [
    `access_log "${path}" sluice_usual ${buffered} if=$sluice_log_usual;`,
    `access_log "${path}" sluice ${buffered} if=$sluice_log_odd;`,
  ]
}
