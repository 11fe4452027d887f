/** What each dialect of labels is, and how it is set. */
import type { DialectSettings } from '../../runtime/config/settings.js'
import type { Container } from '../engine/container.js'
import type { Offers } from './offer.js'

export interface Dialect {
  /** Whether a container has labels or an environment of this dialect that ask for anything. */
  asks(container: Container, settings: DialectSettings): boolean
  /** Pure; called for what asks. */
  read(container: Container, settings: DialectSettings): Offers
}

export const DEFAULT_DIALECTS: DialectSettings = {
  dialects: ['sluice', 'registrator'],
  exposeDomains: [],
  streamPorts: '9100-9109',
  httpPort: 8080,
  httpsPort: 8443,
  registratorInternal: false,
  registratorExplicit: true,
  traefikEntrypoints: { web: 80, websecure: 443 },
  traefikExposed: true,
}
