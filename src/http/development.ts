import { X509Certificate } from 'node:crypto'
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { attempt, type Credentials, checkPair } from '../tls/certificate.ts'
import { issueLeaf, makeAuthority } from '../tls/issue.ts'

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
  const validity = { notBefore: now - day, notAfter: now + lifetime }
  const authority = await makeAuthority('Sallyport development CA', validity)
  const leaf = await issueLeaf(authority, { ...validity, names: ['localhost', '127.0.0.1', '::1'] })
  return { ...leaf, ca: authority.cert }
}
