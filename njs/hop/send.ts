/** Sends an answer. */

/**
 * A client that has gone in the meantime is nobody's fault: what njs throws then is dropped, and
 * nginx ends the request.
 */
export function send(r: NginxHTTPRequest, status: number, body: string): void {
  try {
    r.return(status, body)
  } catch (error) {
    if (String(error).indexOf('failed to send') < 0) {
      throw error
    }
  }
}
