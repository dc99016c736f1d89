import { enumerate } from '../core/text.ts'
import type { Fields } from '../istio/json.ts'
import { Bell } from './bell.ts'
import { type Clock, realClock } from './clock.ts'
import { type ObjectPath, urlOf, type WatchObject } from './cluster.ts'
import { planRegistration, type RegistrationPlan, type Serving } from './entries.ts'
import { keep, type StepOutcome } from './keep.ts'
import { fieldManager, reasonOf, type Writing } from './writing.ts'

/** How a webhook configuration stands. */
export type RegistrationState =
  /** Its entries are as they should be. */
  | 'registered'
  /** Nothing may be written yet: this replica is not ready, or it is being written. */
  | 'pending'
  /** There is none. The guard never makes one: who deletes it switches the guard off. */
  | 'absent'
  /** It could not be read or written. */
  | 'failed'

/** The two kinds of configuration, by the word that metrics and log use. */
export type ConfigurationKind = 'validating' | 'mutating'

/** What registering tells of; metrics in brackets. */
export interface RegistrationEvents {
  /** Told at each change (`sallyport_webhook_configuration`, 1 for one `state` of each `configuration`). */
  state(kind: ConfigurationKind, state: RegistrationState, why: string): void
  /** Entries were written (`sallyport_registration_writes_total`, `configuration`). */
  wrote(kind: ConfigurationKind, entries: readonly string[]): void
}

/** Which configurations, and from when on. */
export interface RegistrationOptions {
  /** Undefined where there is none of the kind. */
  readonly names: Readonly<Record<ConfigurationKind, string | undefined>>
  readonly watch: WatchObject
  /** Returns what replicas serve by, and undefined as long as they may not be asked. */
  serving(): Serving | undefined
  readonly clock?: Clock
}

/** The configurations of one replica. */
export interface Registration {
  /** Looks again, since `serving` says something else now. */
  wake(): void
  /** Keeps both registered until the signal says stop; for the leader. */
  keep(writing: Writing<RegistrationEvents>): Promise<void>
}

/** Milliseconds that one request may take. */
const timeout = 10_000

/**
 * Returns what writes rules and CAs into the live entries of both webhook configurations, once replicas may be asked.
 * Nothing else of them is written, and one that is gone stays gone.
 */
export function createRegistration(options: RegistrationOptions): Registration {
  const bells: Readonly<Record<ConfigurationKind, Bell>> = { validating: new Bell(), mutating: new Bell() }
  return {
    wake: () => {
      bells.validating.ring()
      bells.mutating.ring()
    },
    keep: async writing => {
      await Promise.all([
        keepOne('validating', { options, writing, bell: bells.validating }),
        keepOne('mutating', { options, writing, bell: bells.mutating }),
      ])
    },
  }
}

/** What the watch has told: the configuration, if there is one. */
interface Seen {
  readonly configuration: Fields | undefined
}

interface Parts {
  readonly options: RegistrationOptions
  readonly writing: Writing<RegistrationEvents>
  readonly bell: Bell
}

async function keepOne(kind: ConfigurationKind, { options, writing, bell }: Parts): Promise<void> {
  const { signal, events } = writing
  const { clock = realClock } = options
  const name = options.names[kind]
  if (name === undefined) return
  const path = configurationPath(kind, name)
  let seen: Seen | undefined
  let told = ''
  const step = async (): Promise<StepOutcome> => {
    const outcome = await register(seen, { path, serving: options.serving(), writing })
    if (signal.aborted) return { ok: true }
    if (outcome.entries !== undefined) events.wrote(kind, outcome.entries)
    const { state, why = '' } = outcome
    if (`${state} ${why}` !== told) events.state(kind, state, why)
    told = `${state} ${why}`
    return outcome.retry === undefined ? { ok: true } : { ok: false, retryAfter: outcome.retry.after }
  }
  const stop = options.watch(path, configuration => {
    seen = { configuration }
    bell.ring()
  })
  try {
    await keep(step, { clock, bell, signal })
  } finally {
    stop()
  }
}

/** What became of one look at a configuration. */
interface Outcome {
  readonly state: RegistrationState
  readonly why?: string
  /** Entries that were written. */
  readonly entries?: readonly string[]
  /** That it is worth another try, after so many milliseconds where the API server says so. */
  readonly retry?: { readonly after: number | undefined }
}

interface Task {
  readonly path: ObjectPath
  readonly serving: Serving | undefined
  readonly writing: Writing<RegistrationEvents>
}

/** Looks at what was seen once, and writes what differs. */
async function register(seen: Seen | undefined, { path, serving, writing }: Task): Promise<Outcome> {
  if (seen === undefined) return { state: 'pending', why: 'it has not been read yet' }
  const { configuration } = seen
  if (configuration === undefined) return { state: 'absent' }
  if (serving === undefined) return { state: 'pending', why: 'this replica may not be asked yet' }
  const plan = planRegistration(configuration, serving)
  if (!plan.ok) return { state: 'failed', why: plan.why }
  const { patch, entries } = plan.value
  const outcome = outcomeOf(plan.value)
  if (patch.length === 0) return outcome
  const { cluster, signal } = writing
  const reply = await cluster.send('PATCH', urlOf(path, path.name), {
    query: { fieldManager },
    contentType: 'application/json-patch+json',
    body: patch,
    signal,
    timeout,
  })
  if (reply.status === 200) return { ...outcome, entries }
  if (reply.status === 404) return { state: 'absent' }
  // Changed since it was seen: the watch will tell how.
  if (reply.status === 409) return { state: 'pending', why: 'it is being changed', retry: { after: undefined } }
  return { state: 'failed', why: reasonOf(reply), retry: { after: reply.retryAfter } }
}

/** Returns how a configuration stands once the plan is carried out. */
function outcomeOf({ missing, waiting }: RegistrationPlan): Outcome {
  if (missing.length > 0) return { state: 'failed', why: `it has no entry ${enumerate(missing, 'or')}` }
  if (waiting.length > 0)
    return { state: 'pending', why: `cert-manager has not written the CA of ${enumerate(waiting)}` }
  return { state: 'registered' }
}

function configurationPath(kind: ConfigurationKind, name: string): ObjectPath {
  const plural = `${kind}webhookconfigurations`
  return { group: 'admissionregistration.k8s.io', version: 'v1', plural, namespace: '', name }
}
