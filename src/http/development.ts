import { randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { attempt, type Credentials, checkPair } from './certificate.ts'

/** Credentials of the development CA, and where a client finds that CA. */
export interface DevelopmentCredentials extends Credentials {
  readonly caPath: string
}

const day = 24 * 60 * 60 * 1000

/** How long a development certificate lives. */
const lifetime = 30 * day

/** Returns where development certificates are kept: under the XDG cache where that is set, else among temporary files. */
export function developmentFolder(environment: Readonly<Record<string, string | undefined>>): string {
  const cache = environment['XDG_CACHE_HOME'] ?? ''
  return cache.startsWith('/') ? join(cache, 'sallyport') : join(tmpdir(), `sallyport-${process.getuid?.() ?? 'user'}`)
}

/**
 * Returns credentials for localhost, 127.0.0.1 and ::1, signed by a CA that signs nothing else: its key is never kept.
 * They are reused while they hold for another day. The folder is for our eyes only, and refused where it is not ours.
 */
export async function developmentCredentials(folder: string, now: number): Promise<DevelopmentCredentials> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  refuseShared(folder)
  const place = join(folder, 'development')
  const kept = load(place, now)
  if (kept !== undefined) return kept
  const fresh = mkdtempSync(join(folder, 'new-'))
  const made = await generate(now)
  writeFileSync(join(fresh, files.key), made.key, { mode: 0o600 })
  writeFileSync(join(fresh, files.cert), made.cert, { mode: 0o600 })
  writeFileSync(join(fresh, files.ca), made.ca, { mode: 0o600 })
  install(fresh, place, now)
  const installed = load(place, now)
  if (installed === undefined) throw new Error(`cannot keep a development certificate in ${place}`)
  return installed
}

const files = { key: 'tls.key', cert: 'tls.crt', ca: 'ca.crt' } as const

/** A folder among temporary files may have been made by somebody else, who would then read the key or choose it. */
function refuseShared(folder: string): void {
  const stat = lstatSync(folder)
  const mine = process.getuid === undefined || stat.uid === process.getuid()
  if (!stat.isDirectory() || !mine || (stat.mode & 0o077) !== 0) {
    throw new Error(`${folder} must be a folder that only you may read; remove it or set XDG_CACHE_HOME`)
  }
}

function load(place: string, now: number): DevelopmentCredentials | undefined {
  const read = (file: string): string => readFileSync(join(place, file), 'utf8')
  const kept = attempt(() => ({ key: read(files.key), cert: read(files.cert), ca: read(files.ca) }))
  if (kept === undefined) return undefined
  const pair = checkPair(kept.cert, kept.key, now)
  const ca = attempt(() => new X509Certificate(kept.ca))
  if (!pair.ok || ca === undefined || pair.value.notAfter - now < day) return undefined
  return new X509Certificate(kept.cert).verify(ca.publicKey)
    ? { ...pair.value, caPath: join(place, files.ca) }
    : undefined
}

/** Moves the folder into place as a whole; where another process was faster, its certificate stands. */
function install(fresh: string, place: string, now: number): void {
  if (load(place, now) === undefined) rmSync(place, { recursive: true, force: true })
  try {
    renameSync(fresh, place)
  } catch {
    rmSync(fresh, { recursive: true, force: true })
  }
}

async function generate(now: number): Promise<{ readonly key: string; readonly cert: string; readonly ca: string }> {
  // The library needs the metadata polyfill before it; both are loaded only where a certificate must be made.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const newKeys = (): Promise<webcrypto.CryptoKeyPair> =>
    webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const [caKeys, leafKeys] = [await newKeys(), await newKeys()]
  const validity = { notBefore: new Date(now - day), notAfter: new Date(now + lifetime) }
  const { keyCertSign, cRLSign, digitalSignature } = x509.KeyUsageFlags
  const ca = await x509.X509CertificateGenerator.createSelfSigned(
    {
      ...validity,
      serialNumber: serial(),
      name: 'CN=Sallyport development CA',
      keys: caKeys,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(caKeys.publicKey),
      ],
    },
    webcrypto,
  )
  const leaf = await x509.X509CertificateGenerator.create(
    {
      ...validity,
      serialNumber: serial(),
      subject: 'CN=localhost',
      issuer: ca.subject,
      publicKey: leafKeys.publicKey,
      signingKey: caKeys.privateKey,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([
          { type: 'dns', value: 'localhost' },
          { type: 'ip', value: '127.0.0.1' },
          { type: 'ip', value: '::1' },
        ]),
        await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey),
      ],
    },
    webcrypto,
  )
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', leafKeys.privateKey)
  return { key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'), cert: leaf.toString('pem'), ca: ca.toString('pem') }
}

/** Sixteen random bytes of which the first bit is not set: serial numbers are positive. */
function serial(): string {
  return `0${randomBytes(16).toString('hex').slice(1)}`
}
