import { dig, type Fields, field, isFields, text } from '../istio/json.ts'

/** One line of a watch. */
export type Event =
  | { readonly is: 'stored'; readonly object: Fields; readonly version: string }
  | { readonly is: 'deleted'; readonly object: Fields; readonly version: string }
  /** Nothing happened up to this state. */
  | { readonly is: 'bookmark'; readonly version: string }
  /** What the server wants to be watched from is no longer there. */
  | { readonly is: 'expired' }
  /** Another error of the server. */
  | { readonly is: 'error'; readonly code: number }
  | { readonly is: 'malformed' }
  | { readonly is: 'unknown' }

const kinds: Readonly<Record<string, 'stored' | 'deleted'>> = {
  ADDED: 'stored',
  MODIFIED: 'stored',
  DELETED: 'deleted',
}

/** Returns what a line of a watch says. Kubernetes: "Kubernetes API Concepts", section "Efficient detection of changes". */
export function readEvent(line: string): Event {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch {
    return { is: 'malformed' }
  }
  const type = text(field(parsed, 'type')) ?? ''
  const object = field(parsed, 'object')
  if (type === 'ERROR') {
    const code = Number(field(object, 'code'))
    return code === 410 || field(object, 'reason') === 'Expired' ? { is: 'expired' } : { is: 'error', code }
  }
  const version = text(dig(object, 'metadata', 'resourceVersion'))
  if (!isFields(object) || version === undefined) return { is: 'malformed' }
  if (type === 'BOOKMARK') return { is: 'bookmark', version }
  const is = Object.hasOwn(kinds, type) ? kinds[type] : undefined
  if (is === undefined) return { is: 'unknown' }
  return text(dig(object, 'metadata', 'name')) === undefined ? { is: 'malformed' } : { is, object, version }
}
