import { field, list } from './json.ts'
import { type Labels, matchesLabels, parseSelector } from './selector.ts'

/** How widely the mesh configuration lets ServiceEntries be seen. */
export type EntryVisibility = 'NONE' | 'NAMESPACE' | 'PUBLIC'

const numbers: readonly EntryVisibility[] = ['PUBLIC', 'NONE', 'NAMESPACE', 'PUBLIC']

/**
 * Returns how widely `serviceEntryVisibility` of a mesh configuration lets the ServiceEntries of a namespace be seen: the
 * first policy all of whose rules match, else the default; absent or unspecified is PUBLIC. It holds in ambient mode, for
 * sidecars only with `applyToSidecars`, and only ever narrows what `exportTo` says.
 *
 *     policies                                      default     namespace {team: a}   namespace {}
 *     (none)                                        (absent)    PUBLIC                PUBLIC
 *     [{visibility: NAMESPACE, team = a}]           (absent)    NAMESPACE             PUBLIC
 *     [{visibility: PUBLIC, no rules}]              NAMESPACE   PUBLIC                PUBLIC
 *     [{visibility: PUBLIC, a rule without matcher}] NAMESPACE  NAMESPACE             NAMESPACE
 *
 * Istio: pilot/pkg/model/serviceentry_visibility.go (CompileServiceEntryVisibility, VisibilityFor); istio.io/api
 * mesh/v1alpha1/config.proto (ServiceEntryVisibility).
 */
export function entryVisibility(given: unknown, labels: Labels): EntryVisibility {
  for (const policy of list(field(given, 'policies'))) {
    if (list(field(policy, 'matchingRules')).every(rule => matches(rule, labels))) {
      return read(field(policy, 'visibility'))
    }
  }
  return read(field(given, 'defaultVisibility'))
}

function read(visibility: unknown): EntryVisibility {
  if (typeof visibility === 'number') return numbers[visibility] ?? 'PUBLIC'
  return visibility === 'NONE' || visibility === 'NAMESPACE' ? visibility : 'PUBLIC'
}

function matches(rule: unknown, labels: Labels): boolean {
  const selector = parseSelector(field(rule, 'namespaceSelector'))
  return selector.ok && matchesLabels(selector.value, labels)
}
