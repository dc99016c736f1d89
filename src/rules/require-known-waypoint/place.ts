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
} from '../../istio/waypoint.ts'
import { annotationsOf, labelsOf } from '../../istio/workload.ts'
import type { Judge } from './rule.ts'
import { findWaypoint, isListed, knownWaypoints } from './waypoint.ts'

const labelPath: Path = ['metadata', 'labels', useWaypointLabel]

/**
 * Judges what a namespace in ambient mode chooses for all that is in it. Its own waypoint is the ordinary one for what
 * comes to its Services, so that one passes here; by which its ServiceEntries may leave is asked of those.
 */
export function judgeNamespace(subject: Subject, tools: Judge): void {
  const labels = labelsOf(subject.object)
  if (labels.get(dataplaneModeLabel) !== 'ambient') return
  const client = subject.ref.name
  judgeCanary(labels, shareOf(subject.object), client, tools)
  const chosen = chosenWaypoint(labels, client)
  if (chosen === undefined) return
  if (chosen === 'none') {
    tools.report('opted-out', { path: labelPath, value: 'none', slots: { what: 'the namespace' } })
    return
  }
  const value = `${chosen.namespace}/${chosen.name}`
  if (isListed(chosen, client, tools) === true) return
  const found = findWaypoint(chosen, client, tools)
  const known = knownWaypoints(client, tools)
  if (found.is === 'missing') tools.report('missing-waypoint', { path: labelPath, value, slots: { known } })
  else if (tools.facts.waypoints !== undefined && chosen.namespace !== client) {
    tools.report('unlisted-waypoint', { path: labelPath, value, slots: { known, namespace: client } })
  } else if (found.is === 'unknown') {
    tools.notJudged(labelPath, `whether there is a waypoint "${value}" for namespace "${client}"`, giveGateways)
  } else if (found.is === 'unfit' && chosen.namespace !== client) {
    tools.report('unfit-waypoint', { path: labelPath, value, slots: found })
  }
}

/** How to make waypoints known. */
export const giveGateways =
  'list it under spec.waypoints of the policy, or give Gateways and Namespaces with --inventory'

/** Judges the label of a Service: what goes to it stays in the mesh, so that there is only something to count. */
export function judgeService(subject: Subject, tools: Judge): void {
  const { namespace } = subject.ref
  if (subject.namespaceLabels?.get(dataplaneModeLabel) !== 'ambient') return
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
  const found = findWaypoint(canary, client, tools)
  // A canary that is not there or does not fit leaves all the traffic with the first waypoint.
  if (listed === true || found.is === 'missing' || found.is === 'unfit') return
  const { path } = share
  const value = `${canary.namespace}/${canary.name}`
  if (listed === false) {
    const slots = { weight: String(weight) }
    tools.report('canary-waypoint', { path, value, slots })
  } else if (found.is === 'unknown') {
    tools.notJudged(path, `whether there is a waypoint "${value}" for namespace "${client}"`, giveGateways)
  }
}
