import { dataplaneModeLabel } from '../istio/injection.ts'
import { applicationContainersOf } from '../istio/privilege.ts'
import { type ContainerEntry, containersOf, hasInjectorOutput, usesHostNetwork } from '../istio/workload.ts'
import type { Facts } from './facts.ts'
import { isGeneratedGateway } from './generated.ts'
import { injectionOf } from './injector.ts'
import type { Inventory } from './inventory.ts'
import type { Pod } from './pod.ts'
import type { Phase } from './review.ts'
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
  const { namespaceLabels } = subject
  if (namespaceLabels?.get(dataplaneModeLabel) !== 'ambient') return 'sidecar'
  const { labels, annotations } = pod
  const decision = injectionOf({ namespace, namespaceLabels, labels, annotations }, sources)
  return decision.outcome === 'ambient' ? 'ambient' : 'sidecar'
}

/** What was found out about a pod: several rules ask one after the other. */
interface Authored {
  readonly inventory: Inventory
  readonly facts: Facts
  readonly phase: Phase
  readonly containers: readonly ContainerEntry[]
}

const authored = new WeakMap<Pod, Authored>()

/**
 * Returns the containers of a pod that are to be judged as an application's. Those with the names of injected ones are not
 * among them where the injector brings such: no-forged-injection compares them with what it writes. Elsewhere, in ambient
 * mode or beside another template than the sidecar's, they are containers like any other.
 */
export function authoredContainersOf(
  subject: Subject,
  pod: Pod,
  sources: Pick<Tools<string, unknown>, 'facts' | 'inventory'>,
): readonly ContainerEntry[] {
  const { facts, inventory } = sources
  const { phase } = subject
  const known = authored.get(pod)
  if (known?.inventory === inventory && known.facts === facts && known.phase === phase) return known.containers
  const all = containersOf(pod.template)
  const application = applicationContainersOf(pod.template)
  const isOnlyTheirs = application.length === all.length || bringsSidecar(subject, pod, sources)
  const containers = isOnlyTheirs ? application : all
  authored.set(pod, { inventory, facts, phase, containers })
  return containers
}

/** What an author who may do without a proxy writes into one is compared with nothing: before the injector it is all theirs. */
function bringsSidecar(
  { ref, namespaceLabels, phase }: Subject,
  pod: Pod,
  sources: Pick<Tools<string, unknown>, 'facts' | 'inventory'>,
): boolean {
  if (usesHostNetwork(pod.template)) return false
  const { namespace } = ref
  const { labels, annotations } = pod
  const mayOptOut = mayDeviate(sources.facts.workloads.mayOptOut, namespace, pod)
  if (mayOptOut && phase === 'submitted') return false
  const decision = injectionOf({ namespace, namespaceLabels, labels, annotations }, sources)
  if (decision.outcome === 'injected') return decision.templates.includes('sidecar')
  if (decision.outcome === 'unknown' || isGeneratedGateway(namespace, pod, sources.inventory)) return true
  return !mayOptOut && phase === 'final' && hasInjectorOutput(pod.template)
}
