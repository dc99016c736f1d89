import type { Path } from '../../core/path.ts'
import { defineRule } from '../../core/rule.ts'
import { annotationsOf, labelsOf } from '../../istio/workload.ts'

type Message = 'written'

/** Of the keys outside Istio's domain those that give a pod another network, which no sidecar captures. */
const networks: ReadonlySet<string> = new Set(['k8s.v1.cni.cncf.io/networks', 'v1.multus-cni.io/default-network'])

/** Domain of the labels by which pods are told that istiod makes for Gateways. */
const gatewayDomain = 'gateway.networking.k8s.io'

export default defineRule<Message, Record<never, never>>({
  id: 'no-binding-metadata',
  summary: 'Disallow a Binding that writes labels or annotations of Istio into a pod',
  risk: [
    'Whoever binds a pod to a node may put labels and annotations on the Binding; the API server writes them into the pod',
    'without asking any webhook about the pod itself. In CNI mode the plugin reads them a moment later, when it sets up the',
    'network. A scheduler has no reason to write there what steers injection and capture.',
  ].join(' '),
  team: [
    'Hardly ever a team: a scheduler of its own, or a tool that binds pods, copies labels along. Put what the pod',
    'needs into the pod’s template, where it is judged.',
  ].join(' '),
  judges: ['Binding'],
  reads: [],
  facts: [],
  operations: ['CREATE'],
  phases: ['final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {},
  messages: {
    written: {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the API server writes "{key}" into the pod, where it counts when the network of the pod is set up',
      fix: 'remove it from the Binding, and set it on the workload, where it is judged',
      threats: ['pod/binding-metadata'],
    },
  },
  // Kubernetes: pkg/registry/core/pod/storage/storage.go (setPodNodeAndMetadata).
  check({ object }, tools) {
    for (const [map, entries] of [
      ['labels', labelsOf(object)],
      ['annotations', annotationsOf(object)],
    ] as const) {
      for (const [key, value] of entries) {
        const path: Path = ['metadata', map, key]
        if (steers(key)) tools.report('written', { path, value, slots: { key } })
      }
    }
  },
})

/** Returns true for keys of Istio's domain, `istio.io/…` and `….istio.io/…`, for those of Gateways, and for networks. */
function steers(key: string): boolean {
  const [domain = ''] = key.split('/', 1)
  return networks.has(key) || domain === gatewayDomain || domain === 'istio.io' || domain.endsWith('.istio.io')
}
