import { type Clients, clientsOf } from '../../core/clients.ts'
import { meshConfigMaps, readMeshConfigMap } from '../../core/mesh.ts'
import { isInside } from '../../core/outside.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { type EntryVisibility, entryVisibility } from '../../istio/entryvisibility.ts'
import { dataplaneModeLabel } from '../../istio/injection.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import type { Labels } from '../../istio/selector.ts'
import {
  canaryLabel,
  canaryWeightAnnotation,
  chosenWaypoint,
  managedLabel,
  passesForWaypoint,
  useWaypointLabel,
  type WaypointRef,
} from '../../istio/waypoint.ts'
import { annotationsOf, labelsOf } from '../../istio/workload.ts'
import { type Ambient, ambientNamespaces, isGoverned } from './ambient.ts'
import { canaryPath, giveGateways, judgeCanary, nameAnother } from './place.ts'
import type { Judge } from './rule.ts'
import { findWaypoint, isListed, knownWaypoints } from './waypoint.ts'

const none: Labels = new Map()

/** Judges by which waypoint a ServiceEntry's traffic leaves ambient namespaces, where there are any. */
export function judgeEntry(subject: Subject, tools: Judge): void {
  if (isInside(field(subject.object, 'spec'))) return
  const ambient = ambientNamespaces(tools)
  const clients = clientsOf(subject, tools.facts, tools.inventory)
  if (!clients.all) judgeExport(clients, ambient, subject, tools)
  if (!isForAmbient(clients, ambient, subject, tools)) return sayUnknown(subject, tools)
  const { namespace } = subject.ref
  const own = labelsOf(subject.object)
  const posing = passesForWaypoint(own)
  if (posing !== undefined) {
    const place = { path: ['metadata', 'labels', managedLabel], value: posing }
    tools.report('opted-out', { ...place, slots: { what: 'the entry', remedy: '' } })
    return
  }
  const isOwn = own.has(useWaypointLabel)
  const inherited: Labels = isOwn ? none : (subject.namespaceLabels ?? none)
  const chosen = chosenWaypoint(isOwn ? own : inherited, namespace)
  const path: Path = isOwn ? ['metadata', 'labels', useWaypointLabel] : ['metadata']
  if (chosen === undefined || (chosen === 'none' && !isOwn)) return judgeNone(subject, path, tools)
  if (chosen === 'none') {
    tools.report('opted-out', { path, value: 'none', slots: { what: 'the entry', remedy: nameAnother } })
    return
  }
  if (judgeChosen(chosen, subject, path, tools)) judgeShape(subject, tools)
  judgeShare(own, inherited, subject, tools)
}

/** Who labels an entry has ambient mode in mind, which only Namespaces can tell. */
function sayUnknown(subject: Subject, tools: Judge): void {
  const path = ['metadata', 'labels', useWaypointLabel]
  if (tools.inventory.knows('Namespace') || text(dig(subject.object, ...path)) === undefined) return
  const unknown = 'whether workloads that see this entry are in ambient mode'
  tools.notJudged(path, unknown, 'give the Namespaces with --inventory')
}

/** The canary comes from where the waypoint does; its labels and its weight each from the entry before the namespace. */
function judgeShare(own: Labels, inherited: Labels, subject: Subject, tools: Judge): void {
  const { namespace } = subject.ref
  const isOwn = own.has(canaryLabel)
  const object = tools.inventory.find('Namespace', '', namespace)
  const ofNamespace = inherited.size === 0 ? undefined : annotationsOf(object).get(canaryWeightAnnotation)
  const share = {
    weight: annotationsOf(subject.object).get(canaryWeightAnnotation) ?? ofNamespace,
    path: isOwn ? canaryPath : ['metadata'],
  }
  judgeCanary(isOwn ? own : inherited, share, namespace, tools)
}

/** Where the policy names no waypoints, how ambient traffic should leave is not known, and the way is not the entry's fault. */
function judgeNone(subject: Subject, path: Path, tools: Judge): void {
  if (tools.facts.waypoints === undefined) return
  tools.report('no-waypoint', { path, slots: { known: knownWaypoints(subject.ref.namespace, tools) } })
}

/** Returns true where the waypoint is one that works. */
function judgeChosen(chosen: WaypointRef, subject: Subject, path: Path, tools: Judge): boolean {
  const { namespace } = subject.ref
  const value = `${chosen.namespace}/${chosen.name}`
  const known = knownWaypoints(namespace, tools)
  const listed = isListed(chosen, namespace, tools)
  if (listed === false) {
    tools.report('unlisted-waypoint', { path, value, slots: { namespace, known } })
    return false
  }
  const found = findWaypoint(chosen, namespace, tools)
  if (found.is === 'missing') tools.report('missing-waypoint', { path, value, slots: { known } })
  if (found.is === 'unfit') tools.report('unfit-waypoint', { path, value, slots: found })
  if (found.is === 'fit' && chosen.namespace !== namespace && isBound(subject, tools)) {
    const problem = 'is in another namespace, of which this entry may not be seen'
    const remedy = 'serviceEntryVisibility of the mesh configuration'
    tools.report('unfit-waypoint', { path, value, slots: { problem, remedy } })
  }
  if (found.is === 'unknown' && listed !== true) {
    tools.notJudged(path, `whether there is a waypoint "${value}" for namespace "${namespace}"`, giveGateways)
  }
  return found.is === 'fit' || found.is === 'unknown'
}

const autoAllocateLabel = 'networking.istio.io/enable-autoallocate-ip'

/**
 * ztunnel knows the traffic of an entry by its address: one that it gives itself, or that istiod allocates.
 * Istio: pilot/pkg/networking/serviceentry/ip_autoallocation.go (ShouldV2AutoAllocateIP).
 */
function judgeShape(subject: Subject, tools: Judge): void {
  const spec = field(subject.object, 'spec')
  if (list(field(spec, 'addresses')).length > 0) return
  const resolution = text(field(spec, 'resolution')) ?? 'NONE'
  const off = labelsOf(subject.object).get(autoAllocateLabel)
  if (resolution === 'NONE') {
    const slots = { problem: 'resolution NONE', remedy: 'set spec.resolution to DNS' }
    tools.report('not-steered', { path: ['spec', 'resolution'], value: resolution, slots })
  } else if (off?.toLowerCase() === 'false') {
    const slots = { problem: 'no address allocated', remedy: 'remove the label' }
    tools.report('not-steered', { path: ['metadata', 'labels', autoAllocateLabel], value: off, slots })
  }
}

/** Whether the entry is meant for workloads in ambient mode: those of its own namespace, or of others that may see it. */
function isForAmbient(clients: Clients, ambient: readonly Ambient[], subject: Subject, tools: Judge): boolean {
  const isOfPolicy = subject.namespaceClass !== 'notGoverned'
  if (isOfPolicy && subject.namespaceLabels?.get(dataplaneModeLabel) === 'ambient') return true
  if (clients.all) return ambient.some(one => isGoverned(one, tools))
  const seen = new Set(clients.governed)
  return ambient.some(({ name }) => seen.has(name))
}

function judgeExport(clients: Clients, ambient: readonly Ambient[], subject: Subject, tools: Judge): void {
  const seen = new Set(clients.governed)
  const unseen = ambient.find(namespace => !seen.has(namespace.name) && isGoverned(namespace, tools))
  if (unseen === undefined || isHidden(subject, tools)) return
  tools.report('export-ignored', { path: ['spec', 'exportTo'], slots: { namespace: unseen.name } })
}

/** Whether every mesh configuration keeps entries of the namespace inside it, which ambient mode does heed. */
function isHidden(subject: Subject, tools: Judge): boolean {
  const visibilities = visibilitiesOf(subject, tools)
  return visibilities.length > 0 && !visibilities.includes('PUBLIC')
}

/** Istio: pilot/pkg/serviceregistry/ambient/waypoints.go (fetchWaypointForService, ReportWaypointCrossNamespaceForbidden). */
function isBound(subject: Subject, tools: Judge): boolean {
  return visibilitiesOf(subject, tools).includes('NAMESPACE')
}

/** Returns how widely each mesh configuration lets entries of the namespace be seen; what cannot be read hides nothing. */
function visibilitiesOf(subject: Subject, { facts, inventory }: Judge): readonly EntryVisibility[] {
  const labels = subject.namespaceLabels ?? none
  return meshConfigMaps(facts, inventory).map(configMap => {
    const read = readMeshConfigMap(configMap)
    return read.ok ? entryVisibility(read.value.fields.get('serviceEntryVisibility'), labels) : 'PUBLIC'
  })
}
