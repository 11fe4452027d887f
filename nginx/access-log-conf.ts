/** The access log: a line for each request, as JSON. */

/** Fields whose values clients send, by their names in a line. */
const GIVEN: Array<[field: string, variable: string]> = [
  ['method', '$request_method'],
  ['host', '$host'],
  ['uri', '$request_uri'],
  ['referer', '$http_referer'],
  ['userAgent', '$http_user_agent'],
]

const MOST_BYTES = 2000

/** Control characters: nginx writes DEL and those above it as they are, six bytes for others. */
const CONTROL = '[\\x01-\\x1f\\x7f]|\\xc2[\\x80-\\x9f]'

/**
 * Most requests were answered by one peer, at an address that nginx itself knows, and all that
 * clients fill is short and has no byte that may begin a control character. One look at all of it
 * is what such a request pays, since each map costs.
 */
const ONE_ADDRESS = '[0-9a-f.:\\[\\]]+:\\d+'
const GIVEN_WELL = `[^\\x01-\\x1f\\x7f\\xc2]{0,${MOST_BYTES}}`

function variableOf(field: string): string {
  return `$sluice_log_${field.toLowerCase()}`
}

/**
 * Which of the formats a request takes: one of three variables is not empty. Those of usual
 * requests are set where the map's pattern fits, so `$sluice_log_odd` has to be asked for first.
 */
const KINDS = `map "$sluice_picked_instance $upstream_addr ${GIVEN.map(([, variable]) => variable).join('')}" $sluice_log_odd {
    default 1;
    "~^(?<sluice_log_named>[^ ]+) ${ONE_ADDRESS} ${GIVEN_WELL}$" '';
    "~^ (?<sluice_log_usual>${ONE_ADDRESS}) ${GIVEN_WELL}$" '';
}`

/**
 * Of a request that is not usual, a field that a client fills is cut before its first control
 * character, and where it gets too long.
 */
function givenMaps(): string[] {
  return GIVEN.map(([field, variable]) => {
    // The last byte is no part of a longer character.
    const long = `~^(.{${MOST_BYTES - 10},${MOST_BYTES}})(?=[^\\x80-\\xbf])`
    const bad = `~^(.{0,${MOST_BYTES}}?)(?:${CONTROL})`
    return `map ${variable} ${variableOf(field)} { default ${variable}; "${bad}" "$1..."; "${long}" "$1..."; }`
  })
}

/**
 * Who answered. An upstream's name ends at a dot: what follows says which of its instances were
 * meant. Where the pool was asked last, the slot or njs names the instance; of a lane, the address
 * is all that is known. Where the hop was, its own address and status say nothing of instances. So
 * it reports theirs, or that Sluice itself answered; it says nothing when it was cut off before its
 * answer began.
 */
const LOG_MAPS = `map $sluice_log_pick $sluice_log_pick_upstream { default -; "~^([^ .]+)\\S* (?<sluice_log_pick_instance>.+)" $1; }
map $sluice_picked_instance $sluice_log_who { default "$sluice_picked_upstream $sluice_picked_instance"; '' $sluice_log_pick; }
map $upstream_addr $sluice_log { default $sluice_log_hop; '' "- - 0"; "~:\\d+$" "$sluice_log_who $sluice_log_asked"; }
map $upstream_addr $sluice_log_hop { default $sluice_log_report; "~^$|:\\d+$" ''; }
map $upstream_http_x_sluice_peer $sluice_log_report { default $upstream_http_x_sluice_peer; '' "- - $sluice_log_asked"; }
map $upstream_addr $sluice_log_asked { default 1; "~(, .*){3}" 4; "~(, .*){2}" 3; "~, " 2; }
map $sluice_log $sluice_log_upstream { default -; "~^([^ .]+)" $1; }
map $sluice_log $sluice_log_instance { default -; "~^\\S+ (\\S+) " $1; }
map $sluice_log $sluice_log_tries { default 0; "~^\\S+ \\S+ (\\d+)" $1; }
map $sluice_log_hop $sluice_log_status { default $upstream_status; "~^\\S+ \\S+ \\d+!" $sluice_front_status; }
map $upstream_status $sluice_front_status { default ''; "~^(.+)(, | : )\\d+$" $1; }
map $upstream_addr $sluice_log_address { default $upstream_addr; "~^(?<sluice_front>.*?)unix:" $sluice_front$sluice_hop_address; }
map $sluice_log_hop $sluice_hop_address { default ''; "~^\\S+ \\S+ \\S+ (.+)" $1; }`

/** The variables of a line's fields that are not the same for all requests. */
interface Words {
  /** Of a field that clients fill. */
  given: (field: string, variable: string) => string
  upstream: string
  instance: string
  tries: string
  address: string
  status: string
}

const OWN_WORDS = {
  given: (_field: string, variable: string) => variable,
  tries: '1',
  address: '$upstream_addr',
  status: '$upstream_status',
}

const NAMED_WORDS: Words = {
  ...OWN_WORDS,
  upstream: '$sluice_picked_upstream',
  instance: '$sluice_picked_instance',
}

const USUAL_WORDS: Words = {
  ...OWN_WORDS,
  upstream: '$sluice_log_pick_upstream',
  instance: '$sluice_log_pick_instance',
}

const ALL_WORDS: Words = {
  given: variableOf,
  upstream: '$sluice_log_upstream',
  instance: '$sluice_log_instance',
  tries: '$sluice_log_tries',
  address: '$sluice_log_address',
  status: '$sluice_log_status',
}

function logFormat(name: string, scheme: string, words: Words): string {
  const [method, host, uri, referer, agent] = GIVEN.map(([field, variable]) => {
    return `"${field}":"${words.given(field, variable)}"`
  })
  return `log_format ${name} escape=json
    '{"time":"$time_iso8601","requestId":"$request_id","client":"$remote_addr",'
    '${method},"scheme":"${scheme}",${host},${uri},'
    '"protocol":"$server_protocol","status":$status,"bytesReceived":$request_length,"bytesSent":$bytes_sent,'
    '"upstream":"${words.upstream}","instance":"${words.instance}","tries":${words.tries},'
    '"address":"${words.address}","upstreamStatus":"${words.status}","seconds":$request_time,"connectSeconds":"$upstream_connect_time",'
    '"headerSeconds":"$upstream_header_time","upstreamSeconds":"$upstream_response_time",'
    '${referer},${agent}}';`
}

/**
 * The formats, and the maps that they need; all of them make the same line. `scheme`: the variable
 * of the client's scheme. `sluice_named` is for usual requests whose slot said who it was, of which
 * nginx knows all by itself; `sluice_usual` for other usual ones.
 */
export function accessLogFormat(scheme: string): string {
  return [
    KINDS,
    ...givenMaps(),
    LOG_MAPS,
    logFormat('sluice', scheme, ALL_WORDS),
    logFormat('sluice_named', scheme, NAMED_WORDS),
    logFormat('sluice_usual', scheme, USUAL_WORDS),
  ].join('\n')
}

/** Logs each request in one of the formats. The first line's condition sets those of the others. */
export function accessLogLines(path: string): string[] {
  const buffered = 'buffer=64k flush=1s'
  return [
    `access_log "${path}" sluice ${buffered} if=$sluice_log_odd;`,
    `access_log "${path}" sluice_named ${buffered} if=$sluice_log_named;`,
    `access_log "${path}" sluice_usual ${buffered} if=$sluice_log_usual;`,
  ]
}
