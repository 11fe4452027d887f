/** What njs-types leaves out. */
interface NginxStreamRequest {
  /**
   * Sends to the client, whatever the peer does (njs 0.7.8). The flags are not optional: with
   * QuickJS it reads a second argument from where none was put, and the worker dies of what it
   * finds there.
   */
  sendDownstream(data: string, flags: NginxStreamSendOptions): void
}
