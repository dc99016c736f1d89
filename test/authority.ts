import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

const day = 24 * 60 * 60 * 1000

const algorithms = {
  ecdsa: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  rsa: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]), modulusLength: 2048 },
} as const

/** What a certificate of a test says; every part has a default. */
export interface Wanted {
  /** Names it covers. */
  readonly names?: readonly string[]
  readonly notBefore?: number
  readonly notAfter?: number
  readonly algorithm?: keyof typeof algorithms
  readonly usage?: 'server' | 'client'
}

/** A certificate and its key, PEM. */
export interface Pair {
  readonly cert: string
  readonly key: string
}

/** A CA of a test. */
export interface Authority {
  /** Its certificate, PEM. */
  readonly cert: string
  issue(wanted?: Wanted): Promise<Pair>
}

/** Returns a CA of its own. */
export async function makeAuthority(name = 'test CA', { notBefore, notAfter }: Wanted = {}): Promise<Authority> {
  const keys = await newKeys('ecdsa')
  const root = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serial(),
      name: `CN=${name}`,
      ...validity(notBefore, notAfter),
      keys,
      signingAlgorithm: algorithms.ecdsa,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    },
    webcrypto,
  )
  return { cert: `${root.toString('pem')}\n`, issue: wanted => issue(root, keys.privateKey, wanted) }
}

async function issue(
  root: x509.X509Certificate,
  signingKey: webcrypto.CryptoKey,
  { names = ['localhost', '127.0.0.1'], notBefore, notAfter, algorithm = 'ecdsa', usage = 'server' }: Wanted = {},
): Promise<Pair> {
  const keys = await newKeys(algorithm)
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage
  const leaf = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serial(),
      subject: 'CN=not looked at',
      issuer: root.subject,
      ...validity(notBefore, notAfter),
      publicKey: keys.publicKey,
      signingKey,
      signingAlgorithm: algorithms.ecdsa,
      extensions: [
        new x509.ExtendedKeyUsageExtension([usage === 'server' ? serverAuth : clientAuth]),
        new x509.SubjectAlternativeNameExtension(
          names.map(name => (/^[\d.]+$/.test(name) ? { type: 'ip', value: name } : { type: 'dns', value: name })),
        ),
        await x509.AuthorityKeyIdentifierExtension.create(root.publicKey),
      ],
    },
    webcrypto,
  )
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { cert: `${leaf.toString('pem')}\n`, key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY') }
}

function validity(
  notBefore = Date.now() - day,
  notAfter = Date.now() + day,
): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(notBefore), notAfter: new Date(notAfter) }
}

async function newKeys(algorithm: keyof typeof algorithms): Promise<webcrypto.CryptoKeyPair> {
  const wanted = algorithms[algorithm]
  return webcrypto.subtle.generateKey(wanted, true, ['sign', 'verify'])
}

function serial(): string {
  return `0${randomBytes(16).toString('hex').slice(1)}`
}
