/** Shapes of certificates. */
import { Type } from 'typebox'
import { Revision, changed } from './common.js'
import { closed, maybe, named } from './shape.js'

const isDefault = maybe(
  Type.Literal(true, {
    description: 'Serves clients that ask for a name that no certificate has, or for none',
  }),
)

const isClients = maybe(
  Type.Literal(true, {
    description: 'Is shown to instances alone, of upstreams that name it in tls.certificate',
  }),
)

export const CertificateBody = Type.Object(
  {
    certificate: Type.String({ description: 'The certificate, then its chain, PEM' }),
    privateKey: Type.String({ description: 'Its key, PEM, not encrypted', writeOnly: true }),
    default: isDefault,
    client: isClients,
  },
  named('CertificateBody'),
)

const state = Type.Enum(['valid', 'expiring', 'expired'], {
  description: 'expiring: less than a quarter of its time is left',
})
const AtMs = Type.Integer({ description: 'Unix time in milliseconds' })
const id = Type.String({
  description: 'Of the registry, or folder/ and a name of the folder of certificates',
  examples: ['app', 'folder/app.example.com'],
})
const fields = {
  id,
  names: Type.Array(Type.String({ examples: ['app.example.com', '*.example.com'] })),
  default: isDefault,
  client: isClients,
  issuer: Type.String(),
  fingerprint: Type.String({ description: 'SHA-256 of the certificate' }),
  key: Type.String({ examples: ['rsa 2048', 'ec prime256v1', 'ed25519'] }),
  state,
  notBeforeAtMs: AtMs,
  notAfterAtMs: AtMs,
}

export const Certificates = Type.Object(
  { revision: Revision, certificates: Type.Array(Type.Object(fields, closed)) },
  named('CertificateList'),
)
export const CertificateAnswer = Type.Object(
  { ...fields, revision: Revision },
  named('CertificateAnswer'),
)
export const CertificateChanged = Type.Object(
  { ...fields, ...changed },
  named('CertificateChanged'),
)

export const Soonest = Type.Array(Type.Object({ id, state, notAfterAtMs: AtMs }, closed))
