import { hash } from 'node:crypto'
import type { Result } from '../istio/result.ts'

/** What became of one look at the files. */
export type ReloadOutcome =
  /** They hold what is served. */
  | 'unchanged'
  /** They changed while they were read, so the next look decides. */
  | 'changing'
  /** What they hold is served from now on. */
  | 'served'
  /** What they hold may not be served; what was served stays. */
  | 'refused'
  /** The same, as at the look before. */
  | 'still-refused'

/** Where credentials come from and where they go. */
export interface ReloadSource<Files, Checked> {
  /** Returns what the files hold now, or why they cannot be read. */
  read(): Result<Files>
  /** Returns what of it may be served, or why nothing may. */
  check(files: Files): Result<Checked>
  /** Serves it from the next connection on. */
  serve(checked: Checked): void
  /** Told once for each thing that may not be served, however often it is looked at. */
  refuse(why: string): void
}

/**
 * Returns a function that looks at the files and serves what has changed, if it may be served. Files are compared by
 * content: a mounted Secret is a link that is turned over, of which file events tell nothing reliable. What is refused is
 * checked anew each time, since a certificate may only have to wait for its first second.
 */
export function createReload<Files, Checked>(first: Files, source: ReloadSource<Files, Checked>): () => ReloadOutcome {
  let served = digestOf(first)
  let refused = ''
  const refuse = (why: string, digest: string): ReloadOutcome => {
    const fault = `${digest} ${why}`
    if (fault === refused) return 'still-refused'
    refused = fault
    source.refuse(why)
    return 'refused'
  }
  return () => {
    const read = source.read()
    const digest = digestOf(read)
    if (read.ok && digestOf(read.value) === served) {
      refused = ''
      return 'unchanged'
    }
    // Certificate and key are two files: a link that was turned over between them makes a pair that never was.
    if (digestOf(source.read()) !== digest) return 'changing'
    if (!read.ok) return refuse(read.why, digest)
    const checked = source.check(read.value)
    if (!checked.ok) return refuse(checked.why, digest)
    source.serve(checked.value)
    served = digestOf(read.value)
    refused = ''
    return 'served'
  }
}

function digestOf(value: unknown): string {
  return hash('sha256', JSON.stringify(value))
}
