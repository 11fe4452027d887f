/** The name that a TLS client asks for, when it has said all of it. */
import { nameIn } from './client-hello.js'

/** Waits until a client has said whom it wants; '' where it speaks no TLS, or asks for nobody. */
export function whenNamed(s: NginxStreamRequest, take: (name: string) => void): void {
  s.on('upstream', (data) => {
    let name: string | null = ''
    try {
      name = nameIn(data)
    } catch (error) {
      // Not TLS, so without a name.
    }
    if (name !== null) {
      s.off('upstream')
      take(name)
    }
  })
}
