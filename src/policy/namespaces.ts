import type { NamespaceClass, NamespaceLabels } from '../core/facts.ts'
import { field, isFields, list, text } from '../istio/json.ts'
import { matchesLabels, parseSelector, type Selector } from '../istio/selector.ts'

/** Which namespaces a part of a policy speaks of. */
export interface NamespaceMatch {
  readonly exact: ReadonlySet<string>
  /** What comes before the trailing `*` of a pattern. */
  readonly prefixes: readonly string[]
  /** Undefined where there is none, or none that parses. */
  readonly selector: Selector | undefined
}

/** The label that the API server itself writes on every Namespace: nobody can choose its value. */
export const nameLabel = 'kubernetes.io/metadata.name'

/** Reads a checked `namespaces` value: a list of names, or `{names, selector}`; names may end in one `*`. */
export function readNamespaceMatch(value: unknown): NamespaceMatch {
  const given = field(value, 'selector')
  const selector = given === undefined ? undefined : parseSelector(given)
  const names = list(isFields(value) ? value['names'] : value).map(name => text(name) ?? '')
  return {
    exact: new Set(names.filter(name => !name.endsWith('*'))),
    prefixes: names.filter(name => name.endsWith('*')).map(name => name.slice(0, -1)),
    selector: selector?.ok ? selector.value : undefined,
  }
}

/** Returns true where the match names the namespace, exactly, by pattern or by selector. */
export function matchesNamespace(match: NamespaceMatch, name: string, labels: NamespaceLabels): boolean {
  return match.exact.has(name) || hasPrefix(match, name) || isSelected(match, name, labels)
}

function hasPrefix(match: NamespaceMatch, name: string): boolean {
  return match.prefixes.some(prefix => name.startsWith(prefix))
}

function isSelected(match: NamespaceMatch, name: string, labels: NamespaceLabels): boolean {
  if (match.selector === undefined) return false
  const known = new Map(labels ?? [])
  known.set(nameLabel, name)
  return matchesLabels(match.selector, known)
}

/** The classes a policy names, from the one that wins within a step to the one that yields. */
const order: readonly NamespaceClass[] = ['platform', 'notGoverned', 'governed']

/** What the policies say of each class; several documents add up. */
export type ClassMatches = Readonly<Record<NamespaceClass, readonly NamespaceMatch[]>>

/**
 * Returns the class of a namespace by exact name, then pattern, then selector; within a step platform beats notGoverned
 * beats governed. What nothing names is governed, except `kube-*` and the guard's own namespace.
 */
export function classifier(
  matches: ClassMatches,
  guardNamespace: string,
): (name: string, labels: NamespaceLabels) => NamespaceClass {
  const steps: readonly ((match: NamespaceMatch, name: string, labels: NamespaceLabels) => boolean)[] = [
    (match, name) => match.exact.has(name),
    hasPrefix,
    isSelected,
  ]
  return (name, labels) => {
    for (const step of steps) {
      for (const namespaceClass of order) {
        if (matches[namespaceClass].some(match => step(match, name, labels))) return namespaceClass
      }
    }
    return name.startsWith('kube-') || name === guardNamespace ? 'notGoverned' : 'governed'
  }
}

/**
 * Returns the first label key of a selector whose value a tenant could choose, or undefined: a class or a relaxation
 * that hangs on such a label would be self-service.
 */
export function tenantLabelOf(selector: unknown): string | undefined {
  if (!isFields(selector)) return undefined
  const keys = [
    ...Object.keys(isFields(selector['matchLabels']) ? selector['matchLabels'] : {}),
    ...list(selector['matchExpressions']).map(entry => (isFields(entry) ? (text(entry['key']) ?? '') : '')),
  ]
  return keys.find(key => key !== nameLabel)
}
