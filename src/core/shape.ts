import { field, isFields } from '../istio/json.ts'
import type { Subject, Tools } from './rule.ts'

/**
 * Reports as malformed what a rule would otherwise take for absent: a `spec` that is no mapping, and fields of it that
 * are no lists. The schema of a custom resource is checked after mutating webhooks, and not at all for files.
 */
export function requireLists(
  subject: Subject,
  tools: Pick<Tools<string, unknown>, 'malformed'>,
  names: readonly string[],
): void {
  const spec = field(subject.object, 'spec') ?? undefined
  if (spec === undefined) return
  if (!isFields(spec)) return tools.malformed(['spec'], 'must be a mapping')
  for (const name of names) {
    const value = field(spec, name) ?? undefined
    if (value !== undefined && !Array.isArray(value)) tools.malformed(['spec', name], 'must be a list')
  }
}
