import type { Facts } from '../../core/facts.ts'
import { gatewayNamespaces } from '../../core/gateway.ts'
import type { Inventory } from '../../core/inventory.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { dataplaneModeLabel, injectionLabel, revisionLabel } from '../../istio/injection.ts'
import { dig, field, list } from '../../istio/json.ts'
import { type Labels, matchesLabels, parseSelector } from '../../istio/selector.ts'
import { annotationsOf, labelsOf } from '../../istio/workload.ts'

/** The kind that lets namespaces in and out. */
export const networkPolicyKind = 'NetworkPolicy.networking.k8s.io'

/** What only the platform does to a namespace. */
export interface NamespaceConcern {
  readonly message: 'platform-namespace' | 'exempt-name' | 'namespace-users' | 'namespace-admitted'
  readonly path: Path
  readonly what: string
}

/** Returns what the request does to a namespace that only the platform may do. */
export function namespaceConcerns(subject: Subject, facts: Facts, inventory: Inventory): readonly NamespaceConcern[] {
  const { namespaceClass, operation, ref } = subject
  const path = ['metadata', 'name']
  if (namespaceClass === 'notGoverned') {
    return operation === 'CREATE' ? [{ message: 'exempt-name', path, what: ref.name }] : []
  }
  if (operation === 'DELETE') {
    return namespaceClass === 'platform' ? [{ message: 'platform-namespace', path, what: 'deletes it' }] : []
  }
  if (namespaceClass === 'governed') return [...usersChanged(subject), ...admitted(subject, facts, inventory)]
  if (operation === 'CREATE') return [{ message: 'platform-namespace', path, what: 'creates it' }]
  return changedKeys(subject, isSetting).map(({ path, key }) => ({
    message: 'platform-namespace',
    path,
    what: `changes ${key}`,
  }))
}

/** Labels and annotations by which Istio, Pod Security and OpenShift decide about a whole namespace. */
function isSetting(key: string): boolean {
  if (key === injectionLabel || isUsers(key)) return true
  const prefix = key.slice(0, Math.max(0, key.indexOf('/')))
  return prefix === 'istio.io' || prefix.endsWith('.istio.io') || prefix === 'pod-security.kubernetes.io'
}

/**
 * Annotations of OpenShift from which the injector takes user and group of the proxy, on any platform: an application
 * that runs as one of them is not captured. Istio: pkg/kube/inject/inject.go (GetProxyIDs), openshift.go.
 */
function isUsers(key: string): boolean {
  return key === 'openshift.io/sa.scc.uid-range' || key === 'openshift.io/sa.scc.supplemental-groups'
}

function usersChanged(subject: Subject): readonly NamespaceConcern[] {
  return changedKeys(subject, isUsers).map(({ path, key }) => ({ message: 'namespace-users', path, what: key }))
}

interface Changed {
  readonly path: Path
  readonly key: string
}

/** Returns the keys of labels and annotations whose values differ before and after; before a CREATE there is none. */
function changedKeys({ object, oldObject }: Subject, concerns: (key: string) => boolean): readonly Changed[] {
  const found: Changed[] = []
  for (const [name, read] of [
    ['labels', labelsOf],
    ['annotations', annotationsOf],
  ] as const) {
    const before = read(oldObject)
    const after = read(object)
    for (const key of new Set([...before.keys(), ...after.keys()])) {
      if (before.get(key) !== after.get(key) && concerns(key)) found.push({ path: ['metadata', name], key })
    }
  }
  return found
}

/** Labels by which a namespace asks for the mesh, which its owners may set. */
const enrolment: ReadonlySet<string> = new Set([
  'kubernetes.io/metadata.name',
  dataplaneModeLabel,
  injectionLabel,
  revisionLabel,
])

/**
 * Finds NetworkPolicies before the egress gateway or the control plane that would take the namespace in by a new
 * label.
 */
function admitted({ object, oldObject }: Subject, facts: Facts, inventory: Inventory): readonly NamespaceConcern[] {
  const before = labelsOf(oldObject)
  const after = labelsOf(object)
  for (const namespace of new Set([...gatewayNamespaces(facts), facts.mesh.rootNamespace])) {
    for (const policy of inventory.list(networkPolicyKind, namespace)) {
      const key = selectorsOf(policy)
        .map(selector => newlySelected(selector, before, after))
        .find(found => found !== undefined)
      if (key === undefined) continue
      const name = String(dig(policy, 'metadata', 'name'))
      const what = `label ${key}, by which NetworkPolicy ${namespace}/${name} selects`
      return [{ message: 'namespace-admitted', path: ['metadata', 'labels', key], what }]
    }
  }
  return []
}

function selectorsOf(policy: unknown): readonly unknown[] {
  return [
    ...list(dig(policy, 'spec', 'ingress')).flatMap(rule => list(field(rule, 'from'))),
    ...list(dig(policy, 'spec', 'egress')).flatMap(rule => list(field(rule, 'to'))),
  ].map(peer => field(peer, 'namespaceSelector'))
}

/** Returns a label for which a selector selects the namespace after the change and did not before. */
function newlySelected(selector: unknown, before: Labels, after: Labels): string | undefined {
  const parsed = parseSelector(selector)
  if (!parsed.ok || !matchesLabels(parsed.value, after)) return undefined
  return parsed.value.find(asked => !enrolment.has(asked.key) && !matchesLabels([asked], before))?.key
}
