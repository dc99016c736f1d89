import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { dataplaneModeLabel } from '../../istio/injection.ts'
import type { Labels } from '../../istio/selector.ts'
import {
  canaryLabel,
  canaryWeight,
  canaryWeightAnnotation,
  chosenCanary,
  chosenWaypoint,
  useWaypointLabel,
  type WaypointRef,
} from '../../istio/waypoint.ts'
import { annotationsOf, labelsOf } from '../../istio/workload.ts'
import { ambientNamespaces, hasInheritingEntry, isGoverned } from './ambient.ts'
import type { Judge } from './rule.ts'
import { findWaypoint, isListed, knownWaypoints } from './waypoint.ts'

const labelPath: Path = ['metadata', 'labels', useWaypointLabel]

/**
 * Judges what a namespace chooses for all that is in it: where it is in ambient mode and of the policy, and where its
 * ServiceEntries serve others that are. Its own waypoint is the ordinary one for what comes to its Services; that the policy does not list it
 * matters where ServiceEntries leave by it.
 */
export function judgeNamespace(subject: Subject, tools: Judge): void {
  const labels = labelsOf(subject.object)
  const client = subject.ref.name
  const inherits = hasInheritingEntry(client, tools)
  const isAmbient = subject.namespaceClass !== 'notGoverned' && labels.get(dataplaneModeLabel) === 'ambient'
  if (!isAmbient && !(inherits === true && ambientNamespaces(tools).some(one => isGoverned(one, tools)))) return
  judgeCanary(labels, shareOf(subject.object), client, tools)
  const chosen = chosenWaypoint(labels, client)
  if (chosen === undefined) return
  if (chosen === 'none') {
    // Of a namespace it says no more than no label does: something must be there that would leave by a waypoint.
    if (inherits !== false) {
      tools.report('opted-out', {
        path: labelPath,
        value: 'none',
        slots: { what: 'the namespace', remedy: nameAnother },
      })
    }
    return
  }
  judgeChosen(chosen, client, inherits, tools)
}

function judgeChosen(chosen: WaypointRef, client: string, inherits: boolean | undefined, tools: Judge): void {
  const value = `${chosen.namespace}/${chosen.name}`
  const known = knownWaypoints(client, tools)
  const listed = isListed(chosen, client, tools)
  const found = findWaypoint(chosen, client, tools)
  if (listed === false && inherits === true) {
    tools.report('unlisted-waypoint', { path: labelPath, value, slots: { known, namespace: client } })
  } else if (found.is === 'missing') tools.report('missing-waypoint', { path: labelPath, value, slots: { known } })
  else if (listed === false && inherits === undefined) {
    const unknown = `whether ServiceEntries of namespace "${client}" would leave by waypoint "${value}"`
    tools.notJudged(
      labelPath,
      unknown,
      'list it under spec.waypoints of the policy, or give ServiceEntries with --inventory',
    )
  } else if (found.is === 'unfit' && inherits !== false) {
    tools.report('unfit-waypoint', { path: labelPath, value, slots: found })
  } else if (found.is === 'unknown' && listed !== true && inherits !== false) {
    tools.notJudged(labelPath, `whether there is a waypoint "${value}" for namespace "${client}"`, giveGateways)
  }
}

/** How to be steered again, besides saying nothing. */
export const nameAnother = ', or name a waypoint of the policy (spec.waypoints)'

/** How to make waypoints known. */
export const giveGateways =
  'list it under spec.waypoints of the policy, or give Gateways and Namespaces with --inventory'

/** Judges the label of a Service: what goes to it stays in the mesh, so that there is only something to count. */
export function judgeService(subject: Subject, tools: Judge): void {
  const { namespace } = subject.ref
  if (subject.namespaceClass === 'notGoverned' || subject.namespaceLabels?.get(dataplaneModeLabel) !== 'ambient') return
  const labels = labelsOf(subject.object)
  judgeCanary(labels, shareOf(subject.object), namespace, tools)
  const chosen = chosenWaypoint(labels, namespace)
  if (chosen === undefined) return
  if (chosen === 'none') {
    tools.report('service-waypoint', {
      path: labelPath,
      value: 'none',
      slots: { problem: 'opts out of every waypoint' },
    })
    return
  }
  const value = `${chosen.namespace}/${chosen.name}`
  if (findWaypoint(chosen, namespace, tools).is !== 'missing' || isListed(chosen, namespace, tools) === true) return
  tools.report('service-waypoint', {
    path: labelPath,
    value,
    slots: { problem: `names "${value}", which is not there` },
  })
}

/** What is said of a second waypoint besides its labels. */
export interface Share {
  /** Text of the annotation with its percentage. */
  readonly weight: string | undefined
  /** Where the judged object chooses it. */
  readonly path: Path
}

/** Returns the share that the annotation of an object gives a second waypoint of its own labels. */
function shareOf(object: Subject['object']): Share {
  return { weight: annotationsOf(object).get(canaryWeightAnnotation), path: canaryPath }
}

/** Where an object chooses a second waypoint itself. */
export const canaryPath: Path = ['metadata', 'labels', canaryLabel]

/** Judges a second waypoint, which takes a share of the traffic where it has a weight. */
export function judgeCanary(labels: Labels, share: Share, client: string, tools: Judge): void {
  const canary = chosenCanary(labels, client)
  const weight = canaryWeight(share.weight)
  if (canary === undefined || weight === 0) return
  const listed = isListed(canary, client, tools)
  const { path } = share
  const value = `${canary.namespace}/${canary.name}`
  if (listed === false) {
    // One that is not there, or does not fit, leaves all with the first waypoint, until somebody makes it.
    tools.report('canary-waypoint', { path, value, slots: { weight: String(weight) } })
  } else if (listed === undefined && findWaypoint(canary, client, tools).is === 'unknown') {
    tools.notJudged(path, `whether there is a waypoint "${value}" for namespace "${client}"`, giveGateways)
  }
}
