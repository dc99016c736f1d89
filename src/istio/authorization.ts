import { parseGoBool } from './injection.ts'
import { dig, text } from './json.ts'
import { annotationsOf } from './workload.ts'

/** The annotation by which an AuthorizationPolicy is only tried out. */
export const dryRunAnnotation = 'istio.io/dry-run'

/**
 * Returns whether an AuthorizationPolicy is only tried out. As istio.io/istio `pilot/pkg/security/authz/builder/builder.go`,
 * which reads the annotation as a Go boolean, and what is none as false.
 */
export function isDryRun(object: unknown): boolean {
  return parseGoBool(annotationsOf(object).get(dryRunAnnotation) ?? '') === true
}

/** Returns the action of an AuthorizationPolicy; an absent one is ALLOW, the first of its enum. */
export function authorizationAction(object: unknown): string {
  return text(dig(object, 'spec', 'action')) ?? 'ALLOW'
}
