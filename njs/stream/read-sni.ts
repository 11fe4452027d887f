/** The name that a TLS client asks for, when it has said all of it. */
import { nameReader } from './client-hello.js'

/** Waits until a client has said whom it wants; '' where it speaks no TLS, or asks for nobody. */
export function whenNameRead(s: NginxStreamRequest, use: (name: string) => void): void {
  const read = nameReader()
  s.on('upstream', (data) => {
    let name: string | null = ''
    try {
      name = read(data)
    } catch (error) {
      // Not TLS, so without a name.
    }
    if (name !== null) {
      s.off('upstream')
      use(name)
    }
  })
}
