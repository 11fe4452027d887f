/** The API's certificate is read again and again: a renewed one is shown from then on. */
import type { SecureContextOptions } from 'node:tls'
import { messageOf } from '../../../runtime/errors.js'
import type { Logger } from '../../../runtime/logger.js'
import { Loop } from '../../../runtime/loop.js'
import { pause } from '../../../runtime/retry.js'
import { readServerCertificate } from './listen.js'
import type { CertificatePaths, ServerCertificate } from './listen.js'

export interface RenewalOptions {
  paths: CertificatePaths
  /** What the server began with. */
  first: ServerCertificate
  /** Of node:https; it shows the new one to new connections. */
  server: { setSecureContext(options: SecureContextOptions): void }
  log: Logger
}

const EVERY_MS = 2000

/** Begins to follow the files; `close` of what it returns ends that. */
export function followCertificate({ paths, first, server, log }: RenewalOptions): Loop {
  let shown = first
  /** One file is written before the other: what is wrong is logged when it lasts. */
  const wrong = { message: '', times: 0 }
  const loop = new Loop({
    round: async ({ signal }) => {
      await pause(EVERY_MS, signal)
      const now = await readServerCertificate(paths)
      wrong.times = 0
      if (now.cert !== shown.cert || now.key !== shown.key) {
        server.setSecureContext(now)
        shown = now
        log.info({ file: paths.certificate }, 'the API shows a renewed certificate')
      }
    },
    onError: (error) => {
      const message = messageOf(error)
      wrong.times = message === wrong.message ? wrong.times + 1 : 1
      wrong.message = message
      if (wrong.times === 2) {
        log.error({ error: message }, 'the API shows the certificate that it had')
      }
    },
    retry: { firstMs: 1, mostMs: 1 },
  })
  loop.start()
  return loop
}
