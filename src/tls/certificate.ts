import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import { bad, good, type Result } from '../istio/result.ts'

/** A serving certificate with its key, PEM. */
export interface Credentials {
  readonly key: string
  readonly cert: string
  /** When the certificate ends, milliseconds since the epoch. */
  readonly notAfter: number
}

/**
 * Checks that a certificate (the first of a PEM chain) and a key belong together, that the certificate holds now, and
 * that it covers the name that clients ask for, where one is given. OpenSSL itself takes a certificate and a key of two
 * algorithms without a word, and then fails every handshake.
 */
export function checkPair(cert: string, key: string, now: number, serverName?: string): Result<Credentials> {
  const [leaf, ...others] = pemBlocks(cert) ?? []
  const certificate = leaf === undefined ? undefined : attempt(() => new X509Certificate(leaf))
  if (certificate === undefined) return bad('the certificate is not readable PEM')
  if (!others.every(isCertificate)) return bad('a certificate of the chain is not readable PEM')
  const privateKey: KeyObject | undefined = attempt(() => createPrivateKey(key))
  if (privateKey === undefined) return bad('the key is not a readable, unencrypted PEM')
  if (!certificate.checkPrivateKey(privateKey)) return bad('the key does not belong to the certificate')
  const notAfter = Date.parse(certificate.validTo)
  if (now >= notAfter) return bad(`the certificate has expired on ${dayOf(notAfter)}`)
  if (now < Date.parse(certificate.validFrom)) return bad('the certificate is not valid yet')
  if (serverName !== undefined && !covers(certificate, serverName)) {
    return bad(`the certificate does not cover ${serverName}, only ${certificate.subjectAltName ?? 'no name at all'}`)
  }
  // What TLS itself refuses besides, such as a key that is too short.
  if (attempt(() => createSecureContext({ cert, key })) === undefined) return bad('TLS refuses the certificate')
  return good({ cert, key, notAfter })
}

/** Checks a bundle of CAs, PEM: each must be readable, and one at least be a CA that holds now. */
export function checkAuthorities(pem: string, now: number): Result<string> {
  const certificates = (pemBlocks(pem) ?? []).map(block => attempt(() => new X509Certificate(block)))
  if (certificates.length === 0) return bad('no certificate in PEM')
  if (certificates.includes(undefined)) return bad('a certificate is not readable PEM')
  const holds = certificates.some(
    certificate => certificate?.ca && now < Date.parse(certificate.validTo) && now >= Date.parse(certificate.validFrom),
  )
  return holds ? good(pem) : bad('no certificate is a CA that holds now')
}

/** Returns true where a certificate of a chain is signed by one of the CAs, both PEM. */
export function isSignedBy(chain: string, authorities: string): boolean {
  const [certificates, roots] = [chain, authorities].map(pem =>
    (pemBlocks(pem) ?? []).flatMap(block => attempt(() => new X509Certificate(block)) ?? []),
  )
  return (certificates ?? []).some(certificate =>
    (roots ?? []).some(root => root.ca && certificate.checkIssued(root) && certificate.verify(root.publicKey)),
  )
}

/** As Go's client: by alternative names alone, and a wildcard stands for one whole label. */
function covers(certificate: X509Certificate, name: string): boolean {
  if (isIP(name) !== 0) return certificate.checkIP(name) !== undefined
  return certificate.checkHost(name, { subject: 'never', partialWildcards: false }) !== undefined
}

/** Each marker has a line of its own: OpenSSL reads nothing more after one that has not, and does not say so. */
const pemBlock = /^-----BEGIN CERTIFICATE-----\s[^-]*^-----END CERTIFICATE-----\s*?$/gm

/** Returns the certificates of a PEM text, or undefined where one has no end, since the file is still being written. */
function pemBlocks(pem: string): readonly string[] | undefined {
  const blocks = pem.match(pemBlock) ?? []
  return blocks.length === pem.split('-----BEGIN CERTIFICATE-----').length - 1 ? blocks : undefined
}

function isCertificate(pem: string): boolean {
  return attempt(() => new X509Certificate(pem)) !== undefined
}

function dayOf(moment: number): string {
  return new Date(moment).toISOString().slice(0, 10)
}

/** Returns what a reader returns, undefined where it throws. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
