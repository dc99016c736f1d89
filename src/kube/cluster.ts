import type { Fields } from '../istio/json.ts'

/** What an API server answered. */
export interface Reply {
  /** HTTP status; 0 where there was no answer. */
  readonly status: number
  /** Milliseconds after which it asks to be asked again. */
  readonly retryAfter: number | undefined
  /** The parsed answer, or the reason why there is none. */
  readonly body: unknown
}

/** The verbs that the guard uses. */
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** What a request carries besides verb and path. */
export interface SendOptions {
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly contentType?: string
  readonly accept?: string
  readonly signal?: AbortSignal
  /** Milliseconds. */
  readonly timeout?: number
}

/** An API server as the guard talks to it. */
export interface Cluster {
  /** Never throws on a status; a network failure is status 0 with the reason in `body`. */
  send(method: Method, path: string, options?: SendOptions): Promise<Reply>
}

/** Where one object is found. */
export interface ObjectPath {
  /** Empty for the core group. */
  readonly group: string
  readonly version: string
  readonly plural: string
  /** Empty for what has none. */
  readonly namespace: string
  readonly name: string
}

/**
 * Keeps watching one named object: calls back with it, with undefined while there is none, after every change. Returns
 * how to stop.
 */
export type WatchObject = (path: ObjectPath, seen: (object: Fields | undefined) => void) => () => void

/** Returns the URL path of one object, or of the collection that it is in. */
export function urlOf({ group, version, plural, namespace }: ObjectPath, name?: string): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
  const place = namespace === '' ? root : `${root}/namespaces/${namespace}`
  return name === undefined ? `${place}/${plural}` : `${place}/${plural}/${name}`
}
