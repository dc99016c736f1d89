import { type Log, logField } from '../http/log.ts'
import type { Metrics } from '../http/metrics.ts'
import { createReload, type ReloadOutcome } from '../http/reload.ts'
import type { Identity, RunningServer } from '../http/running.ts'
import { bad, good, type Result } from '../istio/result.ts'
import { type Credentials, checkAuthorities, checkPair } from '../tls/certificate.ts'
import { InputError, readTexts } from './input.ts'
import type { ServeFlags } from './serve.ts'

/** The flags that say what a server proves itself by, and whom it lets in. */
export type IdentityFlags = Pick<ServeFlags, 'cert' | 'key' | 'clientCa' | 'serverName'>

/** What the files hold, unchecked. */
interface Files {
  readonly cert: string
  readonly key: string
  readonly clientCa: string | undefined
}

/** An identity, what it was read from, and where a client finds the CA of a development certificate. */
export interface FirstIdentity {
  readonly identity: Identity
  readonly files: Files
  readonly caPath: string | undefined
}

/** Returns the identity to begin with. Throws an InputError where it may not be served. */
export async function firstIdentity(flags: IdentityFlags, now: number): Promise<FirstIdentity> {
  const made = flags.cert === undefined ? await developmentPair(now) : undefined
  const read = readFiles(flags, made)
  if (!read.ok) throw new InputError(read.why.split('\n'))
  const checked = checkFiles(read.value, flags, now)
  if (!checked.ok) throw new InputError([checked.why])
  return { identity: checked.value, files: read.value, caPath: made?.caPath }
}

/** Loaded only where it is needed, since it makes certificates. */
async function developmentPair(now: number): Promise<Credentials & { readonly caPath: string }> {
  const { developmentCredentials, developmentFolder } = await import('../http/development.ts')
  return developmentCredentials(developmentFolder(process.env), now)
}

/** Returns a function that looks at the files and serves what has changed, or undefined where there are no files. */
export function watchIdentity(
  flags: IdentityFlags,
  first: FirstIdentity,
  { server, log, metrics }: { readonly server: RunningServer; readonly log: Log; readonly metrics: Metrics },
): (() => ReloadOutcome) | undefined {
  if (flags.cert === undefined && flags.clientCa === undefined) return undefined
  const look = createReload<Files, Identity>(first.files, {
    read: () => readFiles(flags, first.files),
    check: files => checkFiles(files, flags, Date.now()),
    serve: identity => {
      server.identify(identity)
      metrics.certificate(identity.notAfter, Date.now())
      log.info({ [logField.notAfter]: new Date(identity.notAfter).toISOString() }, 'certificate served')
    },
    refuse: why => log.error({ [logField.why]: why }, 'certificate refused'),
  })
  return () => {
    const outcome = look()
    metrics.reloaded(outcome)
    return outcome
  }
}

/** Reads the files that the flags name; a pair that has none is the given one. */
function readFiles(
  { cert, key, clientCa }: IdentityFlags,
  made: Pick<Files, 'cert' | 'key'> = { cert: '', key: '' },
): Result<Files> {
  try {
    return good({
      cert: cert === undefined ? made.cert : textOf(cert),
      key: key === undefined ? made.key : textOf(key),
      clientCa: clientCa === undefined ? undefined : textOf(clientCa),
    })
  } catch (cause) {
    if (cause instanceof InputError) return bad(cause.lines.join('\n'))
    throw cause
  }
}

function textOf(path: string): string {
  return readTexts([path])[0]?.text ?? ''
}

function checkFiles(files: Files, flags: IdentityFlags, now: number): Result<Identity> {
  const { clientCa } = files
  const pair = checkPair(files.cert, files.key, now, flags.serverName)
  const which = flags.cert === undefined ? 'the development certificate' : `--cert ${flags.cert} --key ${flags.key}`
  if (!pair.ok) return bad(`${which}: ${pair.why}`)
  const authorities = clientCa === undefined ? undefined : checkAuthorities(clientCa, now)
  if (authorities?.ok === false) return bad(`--client-ca ${flags.clientCa}: ${authorities.why}`)
  const { cert, key, notAfter } = pair.value
  return good({ cert, key, notAfter, clientCa })
}
