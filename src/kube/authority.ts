import { dig, type Fields, isFields } from '../istio/json.ts'
import type { Credentials } from '../tls/certificate.ts'
import { issueLeaf, makeAuthority, type Pair } from '../tls/issue.ts'
import { after, Bell } from './bell.ts'
import { type Clock, realClock } from './clock.ts'
import { type Cluster, type ObjectPath, type Reply, urlOf, type WatchObject } from './cluster.ts'
import { keep, type StepOutcome } from './keep.ts'
import { managedLabel, planSecret, readServingPair, type ServingPair, secretKeys } from './secret.ts'
import { fieldManager, reasonOf, type Writing } from './writing.ts'

/** Where the guard is asked, and the Secret that its certificate is in. */
export interface AuthorityOptions {
  readonly namespace: string
  /** The Service that the API server calls. */
  readonly service: string
  readonly secret: string
  readonly watch: WatchObject
  readonly clock?: Clock
  /** Returns milliseconds since the epoch, by which certificates hold or do not. */
  readonly date?: () => number
}

/** What became of a look at the Secret by the leader. */
export type SecretWrite = 'created' | 'issued' | 'replaced'

/** What keeping the Secret tells of; metrics in brackets. */
export interface AuthorityEvents {
  /** The Secret was written, and why (`sallyport_authority_writes_total`, `outcome`). */
  wrote(what: SecretWrite, why: string): void
  /** It needs writing and could not be, or may not be; told once for each reason (`sallyport_authority_failed` 1). */
  failed(why: string): void
  /** It is right (`sallyport_authority_failed` 0). */
  right(): void
}

/** What serving from the Secret tells of; metrics as of certificate files, `sallyport_certificate_…`. */
export interface ServingEvents {
  /** This is to be shown from the next connection on. */
  served(pair: ServingPair): void
  /** What is there may not be served, what was served stays; told once for each reason. */
  refused(why: string): void
  /** What is there is what is shown, after something else was refused. */
  restored(): void
}

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** How long what is made here holds, milliseconds. */
const lifetime = { authority: 3650 * day, leaf: 365 * day, throwaway: day } as const

/** Returns the names under which the API server may call a Service; the first is the one that it does use. */
export function serviceNames(service: string, namespace: string): readonly [string, ...string[]] {
  const name = `${service}.${namespace}`
  return [`${name}.svc`, `${name}.svc.cluster.local`, name]
}

/** Returns a certificate to listen with before there is any; nobody trusts it. */
export async function throwawayPair(names: readonly string[], now: number): Promise<Credentials> {
  const validity = { notBefore: now - hour, notAfter: now + lifetime.throwaway }
  const authority = await makeAuthority('Sallyport, not to be trusted', validity)
  return { ...(await issueLeaf(authority, { names, ...validity })), notAfter: validity.notAfter }
}

/**
 * Calls back with what the watched Secret holds, whenever that is something else that may be served. What may not be
 * served is looked at anew every minute, since a certificate may only have to wait for its first second. Returns how to
 * stop.
 */
export function serveFromSecret(options: AuthorityOptions, events: ServingEvents): () => void {
  const { clock = realClock, date = Date.now, namespace, service } = options
  const [serverName] = serviceNames(service, namespace)
  let served = ''
  let refused = ''
  let cancel = (): void => {}
  const look = (secret: Fields | undefined): void => {
    cancel()
    const read = readServingPair(secret, serverName, date())
    if (!read.ok) {
      if (read.why !== refused) events.refused(read.why)
      refused = read.why
      cancel = after(clock, minute, () => look(secret))
      return
    }
    const { cert, key, authorities } = read.value
    const content = JSON.stringify([cert, key, authorities])
    if (content !== served) events.served(read.value)
    else if (refused !== '') events.restored()
    served = content
    refused = ''
  }
  const stop = options.watch(secretPath(options), look)
  return () => {
    stop()
    cancel()
  }
}

/** What became of one look at the Secret. */
export type Ensured =
  | { readonly state: 'right' }
  | { readonly state: 'wrote'; readonly what: SecretWrite; readonly why: string }
  /** Another wrote it meanwhile: what that is, the next look says. */
  | { readonly state: 'overtaken' }
  /** Nobody can serve from it, and it is not the guard's to change. */
  | { readonly state: 'foreign'; readonly why: string }
  | { readonly state: 'failed'; readonly why: string; readonly retryAfter: number | undefined }

/**
 * Keeps the Secret such that all replicas can serve from it, until the signal says stop; for the leader. It makes the
 * Secret where there is none, and repairs it where it bears the guard's label; any other it only reads. A new CA does not
 * overlap with the old one yet.
 */
export async function keepSecret(
  options: AuthorityOptions,
  { cluster, signal, events }: Writing<AuthorityEvents>,
): Promise<void> {
  const { clock = realClock } = options
  const bell = new Bell()
  let told: string | undefined
  const tell = (why: string): void => {
    if (why === told) return
    told = why
    if (why === '') events.right()
    else events.failed(why)
  }
  const step = async (): Promise<StepOutcome> => {
    const ensured = await ensureSecret(options, cluster, signal)
    if (signal.aborted) return { ok: true }
    switch (ensured.state) {
      case 'overtaken':
        return { ok: false, retryAfter: undefined }
      case 'failed':
        tell(ensured.why)
        return { ok: false, retryAfter: ensured.retryAfter }
      case 'foreign':
        tell(ensured.why)
        return { ok: true }
      case 'wrote':
        events.wrote(ensured.what, ensured.why)
        tell('')
        return { ok: true }
      case 'right':
        tell('')
        return { ok: true }
    }
  }
  const stop = options.watch(secretPath(options), () => bell.ring())
  try {
    await keep(step, { clock, bell, signal })
  } finally {
    stop()
  }
}

/** Looks at the Secret once, and writes it where it must be. */
export async function ensureSecret(options: AuthorityOptions, cluster: Cluster, signal: AbortSignal): Promise<Ensured> {
  const { date = Date.now, service, namespace } = options
  const path = secretPath(options)
  const names = serviceNames(service, namespace)
  const read = await cluster.send('GET', urlOf(path, path.name), { signal, timeout })
  const secret = read.status === 200 && isFields(read.body) ? read.body : undefined
  if (secret === undefined && read.status !== 404) return failure(read)
  const plan = planSecret(secret, names, date())
  if (plan.todo === 'nothing') return { state: 'right' }
  if (plan.todo === 'leave') {
    const serves = readServingPair(secret, names[0], date())
    return serves.ok ? { state: 'right' } : { state: 'foreign', why: `${serves.why}, and ${plan.why}` }
  }
  const written = await write(cluster, secret ?? freshSecret(path), {
    path,
    data: await makeData(plan.todo === 'issue' ? plan.authority : undefined, names, date()),
    signal,
  })
  if (written.status === 409) return { state: 'overtaken' }
  if (written.status !== 200 && written.status !== 201) return failure(written)
  const why = plan.todo === 'create' ? 'there is none' : plan.why
  return { state: 'wrote', what: outcomes[plan.todo], why }
}

const outcomes = { create: 'created', issue: 'issued', replace: 'replaced' } as const

/** Milliseconds that one request may take. */
const timeout = 10_000

function secretPath({ namespace, secret }: AuthorityOptions): ObjectPath {
  return { group: '', version: 'v1', plural: 'secrets', namespace, name: secret }
}

function failure(reply: Reply): Ensured {
  return { state: 'failed', why: reasonOf(reply), retryAfter: reply.retryAfter }
}

function freshSecret({ namespace, name }: ObjectPath): Fields {
  const metadata = { name, namespace, labels: { [managedLabel]: 'true' } }
  return { apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque' }
}

/** Creates the Secret, or replaces the one that was read: one that changed since is refused by its resourceVersion. */
function write(
  cluster: Cluster,
  secret: Fields,
  { path, data, signal }: { readonly path: ObjectPath; readonly data: Fields; readonly signal: AbortSignal },
): Promise<Reply> {
  const body = { ...secret, data: { ...fieldsOf(secret['data']), ...data } }
  const exists = dig(secret, 'metadata', 'resourceVersion') !== undefined
  return cluster.send(exists ? 'PUT' : 'POST', exists ? urlOf(path, path.name) : urlOf(path), {
    query: { fieldManager },
    body,
    signal,
    timeout,
  })
}

/** Makes a leaf, and where none is given the CA that signs it. */
async function makeData(given: Pair | undefined, names: readonly string[], now: number): Promise<Fields> {
  const notBefore = now - hour
  const authority = given ?? (await makeAuthority('Sallyport', { notBefore, notAfter: now + lifetime.authority }))
  const leaf = await issueLeaf(authority, { names, notBefore, notAfter: now + lifetime.leaf })
  return {
    [secretKeys.authority]: base64(authority.cert),
    [secretKeys.authorityKey]: base64(authority.key),
    [secretKeys.leaf]: base64(leaf.cert),
    [secretKeys.leafKey]: base64(leaf.key),
  }
}

function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {}
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
