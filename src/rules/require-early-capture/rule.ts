import { injectionOf, installValues, servedRevisions, webhookKind } from '../../core/injector.ts'
import { type Pod, podOf } from '../../core/pod.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { enumerate } from '../../core/text.ts'
import { mayDeviate } from '../../core/workload.ts'
import { isInjectedName } from '../../istio/injected.ts'
import {
  type ContainerEntry,
  containersOf,
  initContainerName,
  usesHostNetwork,
  workloadKinds,
} from '../../istio/workload.ts'

type Message = 'before-redirection' | 'classic-layout'

type Judge = Tools<Message, Record<never, never>>

/**
 * Annotation that chooses where the injector puts the proxy: exactly `false` is beside the application, any other value
 * before it. Istio: istio-discovery chart, files/injection-template.yaml ($nativeSidecar).
 */
const nativeSidecar = 'sidecar.istio.io/nativeSidecar'

export default defineRule<Message, Record<never, never>>({
  id: 'require-early-capture',
  summary: 'Require that redirection is in place before the first container of the application',
  risk: [
    'In the classic layout the injector puts `istio-init` after the init containers of the application, so that they are',
    'not cut off from the network while no proxy runs yet: whatever they send leaves uncaptured. With native sidecars it',
    'puts `istio-init` and the proxy before them. Which layout a pod gets depends on the nodes, and on an annotation; the',
    'final pod shows. Where the CNI plugin redirects, it does so before any container starts.',
  ].join(' '),
  team: [
    'Migrations and downloads in init containers. With native sidecars (Kubernetes 1.33 and newer) or istio-cni they',
    'run behind the proxy: take the annotation `sidecar.istio.io/nativeSidecar: "false"` away.',
  ].join(' '),
  judges: workloadKinds,
  reads: ['Namespace', 'ConfigMap', webhookKind],
  facts: ['workloads', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {},
  messages: {
    'before-redirection': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'init container "{value}" runs before "istio-init" redirects traffic, so what it sends is not captured',
      fix: 'take the native layout (annotation sidecar.istio.io/nativeSidecar "true", where all nodes support it), or do its work in a container',
      threats: ['pod/init-before-capture'],
    },
    'classic-layout': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the classic layout runs {containers} before traffic is redirected, and what is sent until then is not captured',
      fix: 'remove the annotation, or set it to "true"',
      threats: ['pod/native-sidecar-off'],
    },
  },
  check(subject, tools) {
    // A change of the status changes neither the layout nor its annotation's effect on what runs.
    if (subject.subresource === 'status') return
    const pod = podOf(subject, tools)
    if (pod === undefined || usesHostNetwork(pod.template)) return
    const isFinal = subject.phase === 'final'
    if (!isFinal && pod.annotations.get(nativeSidecar) !== 'false') return
    const containers = [...initContainersOf(pod)]
    const early = isFinal ? beforeRedirection(containers) : containers.filter(isApplication)
    if (early.length === 0) return
    if (mayDeviate(tools.facts.workloads.mayOptOut, subject.ref.namespace, pod)) return
    if (isFinal) reportEarly(early, pod, tools)
    else judgeLayout(subject, early, pod, tools)
  },
})

function* initContainersOf(pod: Pod): Generator<ContainerEntry> {
  for (const entry of containersOf(pod.template)) {
    if (entry.list !== 'initContainers') return
    yield entry
  }
}

function isApplication({ name }: ContainerEntry): boolean {
  return !isInjectedName(name)
}

/**
 * Returns the application's init containers that a final pod starts before its own redirection, whether they end or
 * restart. Where there is no `istio-init`, the CNI plugin redirects while the pod's network is made, before the kubelet
 * starts any container.
 *
 *     istio-init, istio-proxy, migrate            none: native
 *     migrate, istio-init                         migrate: classic
 *     istio-validation, istio-proxy, migrate      none: CNI
 *
 * Istio: pkg/kube/inject/webhook.go (reorderPod); cni/pkg/plugin/plugin.go (CmdAdd).
 */
function beforeRedirection(containers: readonly ContainerEntry[]): readonly ContainerEntry[] {
  const at = containers.findIndex(({ name }) => name === initContainerName)
  return at < 0 ? [] : containers.slice(0, at).filter(isApplication)
}

function reportEarly(early: readonly ContainerEntry[], pod: Pod, tools: Judge): void {
  for (const { list, index, name } of early) {
    tools.report('before-redirection', { path: pod.at('spec', list, index), value: name })
  }
}

/** Judges a pod that asks for the classic layout, unless it is not injected or the CNI plugin redirects. */
function judgeLayout(subject: Subject, early: readonly ContainerEntry[], pod: Pod, tools: Judge): void {
  const { namespaceLabels, ref } = subject
  const { labels, annotations } = pod
  const served = servedRevisions(tools)
  const decision = injectionOf({ namespace: ref.namespace, namespaceLabels, labels, annotations }, tools, served)
  if (decision.outcome === 'not-injected' || decision.outcome === 'ambient') return
  const cni = installValues(decision.revision ?? 'default', served, tools)?.cniEnabled?.value
  if (cni?.ok === true && cni.value) return
  tools.report('classic-layout', {
    path: pod.at('metadata', 'annotations', nativeSidecar),
    value: 'false',
    slots: { containers: enumerate(early.map(({ name }) => `"${name}"`)) },
  })
}
