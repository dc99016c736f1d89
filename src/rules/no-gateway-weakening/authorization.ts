import type { EgressGateway } from '../../core/facts.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { parseGoBool } from '../../istio/injection.ts'
import { dig, type Fields, field, list, text } from '../../istio/json.ts'
import { annotationsOf } from '../../istio/workload.ts'
import { reachedGateway, reaches } from './reach.ts'
import type { Judge } from './rule.ts'

const dryRunAnnotation = 'istio.io/dry-run'
const policyKind = 'AuthorizationPolicy.security.istio.io'

/** Judges an AuthorizationPolicy, or that it goes. */
export function judgeAuthorization(subject: Subject, tools: Judge): void {
  if (subject.operation === 'DELETE') return judgeDeletion(subject, tools)
  const { object } = subject
  const dryRun = annotationsOf(object).get(dryRunAnnotation)
  if (isDryRun(object) && actionOf(object) !== 'AUDIT') {
    const path = ['metadata', 'annotations', dryRunAnnotation]
    const gateway = reachedGateway(path, subject, tools)
    if (gateway !== undefined)
      tools.report('dry-run', { path, value: String(dryRun), slots: { gateway: gateway.name } })
    return
  }
  if (actionOf(object) !== 'ALLOW') return
  const rules = list(dig(object, 'spec', 'rules'))
  const paths = [...rules.keys()].filter(i => isForEveryone(rules[i])).map((i): Path => ['spec', 'rules', i])
  const gateway = paths[0] && reachedGateway(paths[0], subject, tools)
  if (gateway === undefined) return
  for (const path of paths) tools.report('allows-everyone', { path, slots: { gateway: gateway.name } })
}

/** A policy that forbids nothing leaves no hole, nor does one that allows where another still forbids the rest. */
function judgeDeletion(subject: Subject, tools: Judge): void {
  const { object, ref } = subject
  const action = actionOf(object)
  if (action === 'AUDIT' || isDryRun(object)) return
  const gateway = reachedGateway(['metadata', 'name'], subject, tools)
  if (gateway === undefined || (action === 'ALLOW' && hasOther(gateway, tools))) return
  tools.report('policy-deleted', { path: ['metadata', 'name'], value: ref.name, slots: { gateway: gateway.name } })
}

/** Whether another policy allows something at the gateway, so that it refuses everything else. */
function hasOther(gateway: EgressGateway, tools: Judge): boolean {
  const namespaces = new Set([gateway.namespace, tools.facts.mesh.rootNamespace])
  const holds = (policy: Fields): boolean =>
    actionOf(policy) === 'ALLOW' && !isDryRun(policy) && reaches(policy, gateway, tools) === 'yes'
  return [...namespaces].some(namespace => tools.inventory.list(policyKind, namespace).some(holds))
}

/** Istio: pilot/pkg/security/authz/builder/builder.go reads it as a Go boolean, and what is none as false. */
function isDryRun(object: unknown): boolean {
  return parseGoBool(annotationsOf(object).get(dryRunAnnotation) ?? '') === true
}

/** An absent action is ALLOW, the first of its enum. */
function actionOf(object: unknown): string {
  return text(dig(object, 'spec', 'action')) ?? 'ALLOW'
}

/**
 * Whether a rule has no condition: each of its lists is absent, empty, or has an entry that asks for nothing. A policy
 * without any rule allows nothing.
 */
function isForEveryone(rule: unknown): boolean {
  return (
    isOpen(field(rule, 'from'), 'source') &&
    isOpen(field(rule, 'to'), 'operation') &&
    list(field(rule, 'when')).length === 0
  )
}

function isOpen(entries: unknown, name: 'source' | 'operation'): boolean {
  const given = list(entries)
  return given.length === 0 || given.some(entry => asksNothing(field(entry, name)))
}

function asksNothing(conditions: unknown): boolean {
  if (typeof conditions !== 'object' || conditions === null) return true
  return Object.values(conditions).every(values => list(values).length === 0)
}
