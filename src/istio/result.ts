/** Outcome of reading text: the value, or one clause (lower-case start, no full stop) that says what is wrong with it. */
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string }

/** Returns a successful outcome. */
export function good<T>(value: T): Result<T> {
  return { ok: true, value }
}

/** Returns a failed outcome; `why` is one clause with lower-case start and no full stop. */
export function bad(why: string): { readonly ok: false; readonly why: string } {
  return { ok: false, why }
}
