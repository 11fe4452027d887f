/** The access log that one writes by hand for plain nginx: what Sluice's is compared with. */

/** All that a line of `sluice start` has, but what only Sluice knows: upstream, instance, tries. */
export const OWN_LOG_FORMAT = `
log_format own escape=json
    '{"time":"$time_iso8601","requestId":"$request_id","client":"$remote_addr",'
    '"method":"$request_method","scheme":"$scheme","host":"$host","uri":"$request_uri",'
    '"protocol":"$server_protocol","status":$status,"bytesReceived":$request_length,"bytesSent":$bytes_sent,'
    '"address":"$upstream_addr","upstreamStatus":"$upstream_status","seconds":$request_time,'
    '"connectSeconds":"$upstream_connect_time","headerSeconds":"$upstream_header_time",'
    '"upstreamSeconds":"$upstream_response_time","referer":"$http_referer","userAgent":"$http_user_agent"}';
`

/** Buffered as Sluice's is. */
export function ownLog(path: string): string {
  return `access_log "${path}" own buffer=64k flush=1s;`
}
