import { X509Certificate } from 'node:crypto'
import { dig, type Fields, field, text } from '../istio/json.ts'
import { bad, good, type Result } from '../istio/result.ts'
import { attempt, type Credentials, checkAuthorities, checkPair, isSignedBy } from '../tls/certificate.ts'
import type { Pair } from '../tls/issue.ts'

/** A Secret with this label is the guard's own: it may write what it likes into it. */
export const managedLabel = 'sallyport.dev/managed'

/** Keys of the Secret. */
export const secretKeys = { authority: 'ca.crt', authorityKey: 'ca.key', leaf: 'tls.crt', leafKey: 'tls.key' } as const

/** What a replica proves itself by, and the CAs that the API server must know for it, PEM. */
export interface ServingPair extends Credentials {
  readonly authorities: string
}

/** What must be done with the Secret before replicas can serve from it. */
export type SecretPlan =
  | { readonly todo: 'nothing' }
  | { readonly todo: 'create' }
  /** Sign another certificate with the CA that is there. */
  | { readonly todo: 'issue'; readonly authority: Pair; readonly why: string }
  /** Make a new CA too. */
  | { readonly todo: 'replace'; readonly why: string }
  /** It is somebody else's. */
  | { readonly todo: 'leave'; readonly why: string }

const day = 86_400_000

/** A certificate with less time left is due, so that nobody must hurry when renewing fails. */
export const dueBefore = 90 * day

/** Returns what of the Secret may be served under the name, or why nothing may. */
export function readServingPair(secret: Fields | undefined, serverName: string, now: number): Result<ServingPair> {
  if (secret === undefined) return bad('the Secret does not exist')
  const authorities = textOf(secret, secretKeys.authority)
  const leaf = textOf(secret, secretKeys.leaf)
  const pair = checkPair(leaf, textOf(secret, secretKeys.leafKey), now, serverName)
  if (!pair.ok) return bad(`${secretKeys.leaf}: ${pair.why}`)
  const checked = checkAuthorities(authorities, now)
  if (!checked.ok) return bad(`${secretKeys.authority}: ${checked.why}`)
  if (!isSignedBy(leaf, authorities)) return bad(`${secretKeys.leaf} is not signed by ${secretKeys.authority}`)
  return good({ ...pair.value, authorities })
}

/** Returns what the leader has to do so that the Secret serves all names. */
export function planSecret(secret: Fields | undefined, names: readonly string[], now: number): SecretPlan {
  if (secret === undefined) return { todo: 'create' }
  if (dig(secret, 'metadata', 'deletionTimestamp') !== undefined) return { todo: 'leave', why: 'it is being deleted' }
  if (dig(secret, 'metadata', 'labels', managedLabel) !== 'true') {
    return { todo: 'leave', why: `it is not the guard's own, since it has no label ${managedLabel}: "true"` }
  }
  const authority = { cert: textOf(secret, secretKeys.authority), key: textOf(secret, secretKeys.authorityKey) }
  const broken = faultOf(checkPair(authority.cert, authority.key, begun(authority.cert, now)), now)
  if (broken !== undefined) return { todo: 'replace', why: `${secretKeys.authority}: ${broken}` }
  const leaf = textOf(secret, secretKeys.leaf)
  const at = begun(leaf, now)
  for (const name of names) {
    const fault = faultOf(checkPair(leaf, textOf(secret, secretKeys.leafKey), at, name), now)
    if (fault !== undefined) return { todo: 'issue', authority, why: `${secretKeys.leaf}: ${fault}` }
  }
  if (!isSignedBy(leaf, authority.cert)) {
    return { todo: 'issue', authority, why: `${secretKeys.leaf} is not signed by ${secretKeys.authority}` }
  }
  return { todo: 'nothing' }
}

/** Returns the text of a key of the Secret, empty where there is none. */
function textOf(secret: Fields, key: string): string {
  return Buffer.from(text(field(field(secret, 'data'), key)) ?? '', 'base64').toString('utf8')
}

function faultOf(checked: Result<Credentials>, now: number): string | undefined {
  if (!checked.ok) return checked.why
  return checked.value.notAfter - now < dueBefore ? 'the certificate ends soon' : undefined
}

/** Returns the moment to look at a certificate: a clock that is behind must not make its leader throw away a new one. */
function begun(cert: string, now: number): number {
  const begins = attempt(() => Date.parse(new X509Certificate(cert).validFrom))
  return Math.max(now, begins ?? now)
}
