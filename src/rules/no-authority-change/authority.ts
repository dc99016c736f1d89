import type { Path } from '../../core/path.ts'
import { dig, field, isFields, list, text } from '../../istio/json.ts'

/** A place in a route where another authority is written. */
export interface Change {
  readonly path: Path
  readonly value: unknown
  /** `splice` where a path follows the authority without a slash, and so becomes part of it. */
  readonly kind: 'redirect' | 'rewrite' | 'splice'
}

/**
 * Yields the places of an HTTP route that change the authority of its requests. Header names count in any case, and `set`
 * and `add` do the same to this header. As istio.io/istio `pilot/pkg/networking/core/route/route.go` (ApplyRedirect,
 * isAuthorityHeader, TranslateHeadersOperations).
 */
export function* changesOf(route: unknown, at: Path): Generator<Change> {
  const redirect = field(route, 'redirect')
  if (isFields(redirect)) {
    const authority = field(redirect, 'authority')
    yield { path: [...at, 'redirect', 'authority'], value: authority, kind: 'redirect' }
    for (const key of ['uri', 'prefixRewrite'] as const) {
      const uri = text(field(redirect, key)) ?? ''
      // Envoy writes scheme, host and path one after the other.
      if (/^[^/?#]/.test(uri)) yield { path: [...at, 'redirect', key], value: uri, kind: 'splice' }
    }
  }
  yield { path: [...at, 'rewrite', 'authority'], value: dig(route, 'rewrite', 'authority'), kind: 'rewrite' }
  yield* ofHeaders(field(route, 'headers'), [...at, 'headers'])
  for (const [i, share] of list(field(route, 'route')).entries()) {
    yield* ofHeaders(field(share, 'headers'), [...at, 'route', i, 'headers'])
  }
}

function* ofHeaders(headers: unknown, at: Path): Generator<Change> {
  yield* ofLocation(field(headers, 'response'), [...at, 'response'])
  for (const operation of ['set', 'add'] as const) {
    const values = dig(headers, 'request', operation)
    if (!isFields(values)) continue
    for (const name of Object.keys(values)) {
      if (!isAuthority(name)) continue
      yield { path: [...at, 'request', operation, name], value: values[name], kind: 'rewrite' }
    }
  }
}

/** A `Location` that a route writes into responses is a redirect by another name; one without a host stays where it is. */
function* ofLocation(response: unknown, at: Path): Generator<Change> {
  for (const operation of ['set', 'add'] as const) {
    const values = dig(response, operation)
    if (!isFields(values)) continue
    for (const name of Object.keys(values)) {
      if (name.toLowerCase() !== 'location') continue
      const authority = /^\s*(?:[a-z][a-z0-9+.-]*:[/\\]*|[/\\]{2,})([^/?#\\]*)/i.exec(text(values[name]) ?? '')?.[1]
      if (authority !== undefined) yield { path: [...at, operation, name], value: authority, kind: 'redirect' }
    }
  }
}

function isAuthority(header: string): boolean {
  // Go folds "ſ" to "s" when it compares, as upper case does here and lower case does not.
  const name = header.toUpperCase()
  return name === 'HOST' || name === ':AUTHORITY'
}
