import { randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import type * as X509 from '@peculiar/x509'

/** A CA or a leaf: certificate and private key, PEM. */
export interface Pair {
  readonly cert: string
  readonly key: string
}

/** From when until when a certificate holds, milliseconds since the epoch. */
export interface Validity {
  readonly notBefore: number
  readonly notAfter: number
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** Makes a CA that may sign leaves and no further CAs, ECDSA P-256. */
export async function makeAuthority(name: string, validity: Validity): Promise<Pair> {
  const x509 = await library()
  const keys = await newKeys()
  const { keyCertSign, cRLSign } = x509.KeyUsageFlags
  const ca = await x509.X509CertificateGenerator.createSelfSigned(
    {
      ...dates(validity),
      serialNumber: serial(),
      name: `CN=${name}`,
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    },
    webcrypto,
  )
  return { cert: ca.toString('pem'), key: await exportKey(x509, keys.privateKey) }
}

/** Makes a serving certificate for names and addresses, signed by a CA of `makeAuthority`. */
export async function issueLeaf(
  authority: Pair,
  { names, ...validity }: Validity & { readonly names: readonly string[] },
): Promise<Pair> {
  const x509 = await library()
  const ca = new x509.X509Certificate(authority.cert)
  const keys = await newKeys()
  const leaf = await x509.X509CertificateGenerator.create(
    {
      ...dates(validity),
      serialNumber: serial(),
      // Go's client looks at the alternative names alone; a common name is cut at 64 characters.
      subject: `CN=${(names[0] ?? '').slice(0, 64)}`,
      issuer: ca.subject,
      publicKey: keys.publicKey,
      signingKey: await importKey(x509, authority.key),
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(
          names.map(name => ({ type: isIP(name) === 0 ? 'dns' : 'ip', value: name })),
        ),
        await x509.AuthorityKeyIdentifierExtension.create(ca),
      ],
    },
    webcrypto,
  )
  return { cert: leaf.toString('pem'), key: await exportKey(x509, keys.privateKey) }
}

/** Loaded only where a certificate is made; the library needs the metadata polyfill before it. */
async function library(): Promise<typeof X509> {
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

async function exportKey(x509: typeof X509, key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')
}

async function importKey(x509: typeof X509, pem: string): Promise<webcrypto.CryptoKey> {
  const [der = new ArrayBuffer(0)] = x509.PemConverter.decode(pem)
  return webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign'])
}

function dates({ notBefore, notAfter }: Validity): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(notBefore), notAfter: new Date(notAfter) }
}

/** Sixteen random bytes of which the first bit is not set: serial numbers are positive. */
function serial(): string {
  return `0${randomBytes(16).toString('hex').slice(1)}`
}
