import { newOwner } from '../../core/change.ts'
import type { Facts } from '../../core/facts.ts'
import { injectionOf, servedRevisions } from '../../core/injector.ts'
import { refOf } from '../../core/kind.ts'
import { meshConfigMaps, readMeshConfigMap } from '../../core/mesh.ts'
import type { Subject } from '../../core/rule.ts'
import { dataplaneModeLabel, type InjectionDecision } from '../../istio/injection.ts'
import { dig, type Fields } from '../../istio/json.ts'
import { type Labels, matchesLabels, parseSelector } from '../../istio/selector.ts'
import { chosenWaypoint, useWaypointLabel } from '../../istio/waypoint.ts'
import { labelsOf } from '../../istio/workload.ts'
import { judgePodSecurity } from './podsecurity.ts'
import type { Judge } from './rule.ts'

/** Judges what a namespace loses. */
export function judgeNamespace(subject: Subject, tools: Judge): void {
  const { operation, object, oldObject, namespaceClass } = subject
  if (operation === 'DELETE') return judgeDelete(subject, tools)
  if (oldObject === undefined || namespaceClass === 'notGoverned') return
  judgeOwner(subject, tools)
  const change = { before: labelsOf(oldObject), after: labelsOf(object) }
  judgeDiscovery(change, tools)
  judgeWaypoint(subject.ref.name, change, tools)
  if (namespaceClass !== 'governed') return
  judgePodSecurity(change, tools)
  judgeInjection(subject.ref.name, change, tools)
}

/** Labels of a namespace before and after. */
export interface LabelChange {
  readonly before: Labels
  readonly after: Labels
}

function judgeDelete({ ref: { name }, object }: Subject, tools: Judge): void {
  // Who asks a second time changes nothing.
  if (dig(object, 'metadata', 'deletionTimestamp') !== undefined) return
  const what = whatIsIn(name, tools.facts)
  if (what !== undefined)
    tools.report('namespace-deleted', { path: ['metadata', 'name'], value: name, slots: { what } })
}

function judgeOwner(subject: Subject, tools: Judge): void {
  const what = whatIsIn(subject.ref.name, tools.facts)
  const given = what === undefined ? undefined : newOwner(subject)
  if (what === undefined || given === undefined) return
  tools.report('namespace-owned', { path: given.path, value: given.owner, slots: { what } })
}

function whatIsIn(namespace: string, facts: Facts): string | undefined {
  const gateway = facts.egressGateways?.find(candidate => candidate.namespace === namespace)
  if (gateway !== undefined) return `egress gateway "${gateway.name}"`
  const waypoint = facts.waypoints?.find(candidate => candidate.namespace === namespace)
  if (waypoint !== undefined) return `waypoint "${waypoint.name}"`
  return namespace === facts.mesh.rootNamespace ? 'the configuration of the whole mesh' : undefined
}

/**
 * A namespace that no selector selects is none to Istio: its services and configuration are forgotten. Without
 * selectors all are selected; where one of them is malformed the earlier ones stay in force, so nothing can be said.
 *
 * Istio: pkg/kube/namespace/filter.go (selectorsChanged, namespaceUpdatedLocked).
 */
function judgeDiscovery({ before, after }: LabelChange, tools: Judge): void {
  for (const configMap of meshConfigMaps(tools.facts, tools.inventory)) {
    if (!isDiscovered(configMap, before) || isDiscovered(configMap, after)) continue
    const slots = { configMap: refOf(configMap).name }
    tools.report('undiscovered', { path: ['metadata', 'labels'], value: slots.configMap, slots })
  }
}

function isDiscovered(configMap: Fields, labels: Labels): boolean {
  const read = readMeshConfigMap(configMap)
  const given = read.ok ? (read.value.discoverySelectors ?? []) : []
  if (given.length === 0) return true
  return given.some(selector => {
    if (selector === null) return false
    const parsed = parseSelector(selector)
    return !parsed.ok || matchesLabels(parsed.value, labels)
  })
}

/**
 * A waypoint of the policy is there for traffic that leaves; other waypoints are a team's own. What is put in its place is
 * judged by require-known-waypoint.
 */
function judgeWaypoint(name: string, { before, after }: LabelChange, { facts, report }: Judge): void {
  const was = chosenWaypoint(before, name)
  if (was === undefined || was === 'none' || after.has(useWaypointLabel)) return
  if (!facts.waypoints?.some(waypoint => waypoint.name === was.name && waypoint.namespace === was.namespace)) return
  report('waypoint-removed', { path: ['metadata', 'labels'], value: `${was.namespace}/${was.name}` })
}

/** What is set to a wrong value instead of taken away is found by require-guarded-namespace. */
function judgeInjection(name: string, { before, after }: LabelChange, tools: Judge): void {
  if (tools.facts.workloads.mayOptOut.some(fact => fact.namespace === name && fact.serviceAccounts.includes('*')))
    return
  const was = decide(name, before, tools)
  if (was.outcome === 'not-injected') return
  if (decide(name, after, tools).because !== 'not-asked' || after.has(dataplaneModeLabel)) return
  const { key, value } = was.where
  const what = `${key}: ${value}`
  tools.report('injection-removed', { path: ['metadata', 'labels'], value: what, slots: { what } })
}

/** Returns what becomes of a pod of the namespace that says nothing itself. */
function decide(namespace: string, namespaceLabels: Labels, tools: Judge): InjectionDecision {
  const question = { namespace, namespaceLabels, labels: new Map(), annotations: new Map() }
  return injectionOf(question, tools, servedRevisions(tools))
}
