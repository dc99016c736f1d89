import { dataplaneModeLabel } from '../istio/injection.ts'
import { usesHostNetwork } from '../istio/workload.ts'
import { isGeneratedGateway } from './generated.ts'
import { injectionOf } from './injector.ts'
import type { Pod } from './pod.ts'
import type { Subject, Tools } from './rule.ts'
import { mayDeviate } from './workload.ts'

/** What takes the traffic of a pod, or is meant to. */
export type DataPlane =
  /** A proxy in the pod, told from the application by its user. */
  | 'sidecar'
  /** Ambient mode, which knows its own traffic by a mark and not by a user. */
  | 'ambient'
  /** Nothing, since the pod is in the network of its node. */
  | 'node'
  /** Nothing, since the pod is the proxy of a Gateway. */
  | 'gateway'
  /** Nothing, with the policy's leave. */
  | 'none'

/**
 * Returns what takes the traffic of a pod. A sidecar is presumed unless something else is certain: whether a pod gets the
 * one it should have is for other rules to say. Ambient mode counts only where the namespace is in it, since that is the
 * platform's to choose.
 */
export function dataPlaneOf(
  subject: Subject,
  pod: Pod,
  sources: Pick<Tools<string, unknown>, 'facts' | 'inventory'>,
): DataPlane {
  if (usesHostNetwork(pod.template)) return 'node'
  const namespace = subject.ref.namespace
  if (mayDeviate(sources.facts.workloads.mayOptOut, namespace, pod)) return 'none'
  if (isGeneratedGateway(subject, pod, sources)) return 'gateway'
  const { namespaceLabels } = subject
  if (namespaceLabels?.get(dataplaneModeLabel) !== 'ambient') return 'sidecar'
  const { labels, annotations } = pod
  const decision = injectionOf({ namespace, namespaceLabels, labels, annotations }, sources)
  return decision.outcome === 'ambient' ? 'ambient' : 'sidecar'
}
