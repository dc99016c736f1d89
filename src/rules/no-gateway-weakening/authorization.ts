import type { EgressGateway } from '../../core/facts.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { authorizationAction as actionOf, dryRunAnnotation, isDryRun } from '../../istio/authorization.ts'
import { includes, parseCidrList, rangesOf } from '../../istio/cidr.ts'
import { dig, type Fields, field, isFields, list } from '../../istio/json.ts'
import { annotationsOf } from '../../istio/workload.ts'
import { reachedGateway, reaches } from './reach.ts'
import type { Judge } from './rule.ts'

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
  const open = [...rules.keys()].flatMap(i => {
    const message = isForEveryone(rules[i], asksNothing)
      ? ('allows-everyone' as const)
      : isForEveryone(rules[i], asksAnything)
        ? ('allows-any-caller' as const)
        : undefined
    return message === undefined ? [] : [{ message, path: ['spec', 'rules', i] satisfies Path }]
  })
  const gateway = open[0] && reachedGateway(open[0].path, subject, tools)
  if (gateway === undefined) return
  for (const { message, path } of open) tools.report(message, { path, slots: { gateway: gateway.name } })
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

/**
 * Whether a rule has no condition: each of its lists is absent, empty, or has an entry that asks for nothing. A policy
 * without any rule allows nothing.
 */
function isForEveryone(rule: unknown, isOpenTo: (conditions: unknown) => boolean): boolean {
  const isOpen = (entries: unknown, name: 'source' | 'operation'): boolean => {
    const given = list(entries)
    return given.length === 0 || given.some(entry => isOpenTo(field(entry, name)))
  }
  return (
    isOpen(field(rule, 'from'), 'source') &&
    isOpen(field(rule, 'to'), 'operation') &&
    list(field(rule, 'when')).every(condition => isOpenTo === asksAnything && isAnyWhen(condition))
  )
}

function asksNothing(conditions: unknown): boolean {
  if (typeof conditions !== 'object' || conditions === null) return true
  return Object.values(conditions).every(values => list(values).length === 0)
}

const everyV4 = rangesOf('0.0.0.0/0')
const everyV6 = rangesOf('::/0')

/** Whether conditions hold for every caller of the mesh; that a request has a token at all is one. */
function asksAnything(conditions: unknown): boolean {
  if (!isFields(conditions)) return true
  return Object.keys(conditions).every(key => {
    const values = list(conditions[key])
    return values.length === 0 || (!key.startsWith('not') && key !== 'requestPrincipals' && holdsAnything(values))
  })
}

function holdsAnything(values: readonly unknown[]): boolean {
  if (values.includes('*')) return true
  const blocks = parseCidrList(values.filter(value => typeof value === 'string').join(','))
  return blocks.ok && (includes(blocks.value, everyV4) || includes(blocks.value, everyV6))
}

function isAnyWhen(condition: unknown): boolean {
  if (list(field(condition, 'notValues')).length > 0) return false
  return field(condition, 'key') !== 'request.auth.principal' && holdsAnything(list(field(condition, 'values')))
}
