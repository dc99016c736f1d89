import { groupOfKind, isNamespaced, type Kind } from '../src/core/kind.ts'
import { resourceOf } from '../src/core/resource.ts'
import type { Operation } from '../src/core/review.ts'
import type { Rule } from '../src/core/rule.ts'
import { meshGroups } from '../src/istio/kinds.ts'
import { workloadKinds } from '../src/istio/workload.ts'
import { defaultKinds } from '../src/rules/require-platform-writer/kinds.ts'

/** A rule of a webhook entry, with every field that the API server would fill in. */
export interface EntryRule {
  readonly apiGroups: readonly string[]
  readonly apiVersions: readonly string[]
  readonly operations: readonly Operation[]
  readonly resources: readonly string[]
  readonly scope: 'Namespaced' | 'Cluster' | '*'
}

/** The entries of the validating configuration, without the domain; their names are stable for ever. */
export const entries = ['pods', 'platform', 'routes', 'cluster', 'policy'] as const

/** One of them. */
export type Entry = (typeof entries)[number]

/** Rules by the full name of their entry. */
export type EntryRules = Readonly<Record<string, readonly EntryRule[]>>

/** What the templates of the chart read. */
export interface Webhooks {
  readonly validating: EntryRules
  readonly mutating: EntryRules
  /** Joins the entry of the platform where the values say so: whoever is asked about a Secret sees what is in it. */
  readonly secrets: readonly EntryRule[]
}

/** Returns the full name of an entry. */
export function entryName(entry: Entry): string {
  return `${entry}.sallyport.dev`
}

const operationOrder: readonly Operation[] = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT']

/** The API server asks no webhook about the registry of webhooks and admission policies itself. */
const unasked = 'admissionregistration.k8s.io'

/** Kinds that exist only as a part of a request, by what is then asked for. */
const virtual: Readonly<Record<Kind, readonly string[]>> = {
  Binding: ['bindings', 'pods/binding'],
  PodAttachOptions: ['pods/attach'],
  PodExecOptions: ['pods/exec'],
}

/**
 * Subresources whose UPDATE reaches what rules judge: metadata that the API server keeps from such a write, containers
 * that join a running pod, addresses that a status gives away.
 */
const subresources: Readonly<Record<Kind, readonly string[]>> = {
  Namespace: ['finalize', 'status'],
  Pod: ['ephemeralcontainers', 'status'],
  Service: ['status'],
  'ServiceEntry.networking.istio.io': ['status'],
}

/** Kinds whose deletion opens nothing: rules that judge deletions of others pass it. */
const passedDeletes: ReadonlySet<Kind> = new Set([
  'EndpointSlice.discovery.k8s.io',
  'WorkloadEntry.networking.istio.io',
  'WorkloadGroup.networking.istio.io',
])

/** What is asked about in one entry. */
interface Place {
  readonly entry: Entry
  readonly group: string
  readonly resource: string
  readonly scope: EntryRule['scope']
  readonly operations: readonly Operation[]
}

/** Returns the rules of every entry, from what the rules of the guard judge. */
export function webhooks(rules: readonly Rule[]): Webhooks {
  const operations = new Map<Kind, Set<Operation>>()
  for (const rule of rules) {
    for (const kind of rule.judges) {
      operations.set(kind, new Set([...(operations.get(kind) ?? []), ...rule.operations]))
    }
  }
  const places = [...operations].flatMap(([kind, named]) => placesOf(kind, [...named]))
  const secrets = places.filter(({ group, resource }) => group === '' && resource === 'secrets')
  const asked = places.filter(place => !secrets.includes(place))
  return {
    validating: Object.fromEntries(
      entries.map(entry => [
        entryName(entry),
        rulesOf([...asked, ...ownPlaces].filter(place => place.entry === entry)),
      ]),
    ),
    mutating: { [entryName('pods')]: rulesOf([{ ...inPods, resource: 'pods', operations: ['CREATE'] }]) },
    secrets: rulesOf(secrets),
  }
}

const inPods = { entry: 'pods', group: '', scope: 'Namespaced' } as const

/** What the guard itself is told with; no rule judges it. */
const ownPlaces: readonly Place[] = [
  { entry: 'policy', group: 'sallyport.dev', resource: '*', scope: '*', operations: ['CREATE', 'UPDATE'] },
]

function placesOf(kind: Kind, operations: readonly Operation[]): readonly Place[] {
  if (kind.endsWith(`.${unasked}`)) return []
  if (kind.startsWith('*.')) return placesOfGroup(kind.slice(2), operations)
  const scope = isNamespaced(kind) ? 'Namespaced' : 'Cluster'
  return entriesOf(kind).flatMap(entry =>
    resourcesOf(kind).map(({ group, resource }) => ({
      entry,
      group,
      resource,
      scope,
      operations: operations.filter(operation => isAsked(kind, entry, resource, operation)),
    })),
  )
}

/**
 * Of the mesh's groups every kind is asked about, those to come too. Network plugins keep their books in kinds of their own
 * groups, for each pod that starts: there only the kinds are asked about that rules name.
 */
function placesOfGroup(group: string, operations: readonly Operation[]): readonly Place[] {
  if (!meshGroups.includes(group)) {
    return defaultKinds.filter(kind => groupOfKind(kind) === `*.${group}`).flatMap(kind => placesOf(kind, operations))
  }
  const wide = { group, resource: '*', operations }
  return [
    { ...wide, entry: 'routes', scope: 'Namespaced' },
    { ...wide, entry: 'cluster', scope: 'Cluster' },
  ]
}

/** Which entries ask about a kind. Disjoint: by kind, by scope, and `pods` and `platform` by namespace. */
function entriesOf(kind: Kind): readonly Entry[] {
  if (kind === 'ConfigMap' || kind === 'Secret') return ['platform']
  if (workloadKinds.includes(kind) || kind in virtual) return ['pods', 'platform']
  // A binding gives rights over all that is the platform's, wherever it lies.
  if (kind === 'RoleBinding.rbac.authorization.k8s.io') return ['cluster']
  return [isNamespaced(kind) ? 'routes' : 'cluster']
}

function resourcesOf(kind: Kind): readonly { readonly group: string; readonly resource: string }[] {
  const parts = virtual[kind]
  if (parts !== undefined) return parts.map(resource => ({ group: '', resource }))
  const found = resourceOf(kind)
  if (found === undefined) throw new Error(`kind ${kind} has no plural: add it to src/core/resource.ts`)
  const { group, plural } = found
  return ['', ...(subresources[kind] ?? []).map(name => `/${name}`)].map(end => ({ group, resource: plural + end }))
}

function isAsked(kind: Kind, entry: Entry, resource: string, operation: Operation): boolean {
  if (resource.includes('/') && !(kind in virtual)) return operation === 'UPDATE'
  if (operation !== 'DELETE') return true
  // Of workloads only those that run the mesh are missed, and they lie in namespaces of the platform.
  return entry !== 'pods' && !passedDeletes.has(kind)
}

/** Returns the rules that ask about these places, each place once, in order. */
function rulesOf(places: readonly Place[]): readonly EntryRule[] {
  const wide = new Map(
    places.filter(({ resource }) => resource === '*').map(place => [placeKey(place), place.operations]),
  )
  const rules = new Map<string, EntryRule>()
  for (const place of places) {
    const covered = place.resource === '*' || place.resource.includes('/') ? [] : (wide.get(placeKey(place)) ?? [])
    const operations = operationOrder.filter(one => place.operations.includes(one) && !covered.includes(one))
    if (operations.length === 0) continue
    const key = `${placeKey(place)} ${operations.join()}`
    const resources = [...(rules.get(key)?.resources ?? []), place.resource].sort()
    const { group, scope } = place
    rules.set(key, { apiGroups: [group], apiVersions: ['*'], operations, resources, scope })
  }
  return [...rules].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, rule]) => rule)
}

function placeKey({ group, scope }: Place): string {
  return `${group} ${scope}`
}
