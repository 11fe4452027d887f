/** What njs-types leaves out. */
interface NginxStreamRequest {
  /** Sends to the client, whatever the peer does (njs 0.7.8). */
  sendDownstream(data: string): void
}
