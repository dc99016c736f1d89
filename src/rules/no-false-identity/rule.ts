import { networkOfMesh } from '../../core/mesh.ts'
import { type Pod, podOf } from '../../core/pod.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { gatewayApiKind } from '../../istio/kinds.ts'
import { networkLabel } from '../../istio/network.ts'
import { containersOf, environmentOf, proxyContainerName, workloadKinds } from '../../istio/workload.ts'
import { findRegistration } from './registration.ts'

type Message = 'unknown-gateway' | 'topology-label' | 'auto-register'

interface Params {
  readonly networks: readonly string[]
}

export default defineRule<Message, Params>({
  id: 'no-false-identity',
  summary: 'Disallow labels and settings by which a pod passes for what it is not',
  risk: [
    'Labels of a pod are set by whoever writes it, and much is believed of them: that it is the pod of a gateway which',
    'istiod made, that it lies in another network and is reached through that network’s gateway, that it is spoken to',
    'in plaintext or through a tunnel. A proxy can also register itself as a WorkloadEntry, which istiod then creates',
    'in its own name. Judged by value: what the injector itself writes passes.',
  ].join(' '),
  team: [
    'A label was copied from a running pod (`kubectl get -o yaml`) into a template. Remove it: Istio writes these',
    'labels itself.',
  ].join(' '),
  judges: workloadKinds,
  reads: [gatewayApiKind, 'Namespace'],
  facts: ['mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {
    networks: {
      doc: 'Networks that pods may name, besides the one that the root namespace is labelled with.',
      schema: { type: 'array', items: { type: 'string', minLength: 1 } },
      default: [],
    },
  },
  messages: {
    'unknown-gateway': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the label marks the pod of a generated gateway, but namespace "{namespace}" has no Gateway "{gateway}"',
      fix: 'remove the label',
      threats: ['pod/managed-gateway-labels'],
    },
    'topology-label': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: '"{value}" changes {consequence}',
      fix: 'remove the label',
      threats: ['pod/network-label'],
    },
    'auto-register': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'the proxy registers itself in group "{value}", as a WorkloadEntry that istiod creates in its own name',
      fix: 'remove AUTO_REGISTER_GROUP from the proxy’s metadata, which is for machines outside the cluster',
      threats: ['pod/auto-register-group'],
    },
  },
  check(subject, tools) {
    const pod = podOf(subject, tools)
    if (pod === undefined) return
    judgeGatewayLabels(subject, pod, tools)
    judgeTopology(subject, pod, tools)
    const registration = findRegistration(pod)
    if (registration === undefined) return
    tools.report('auto-register', { path: registration.path, value: registration.group })
  },
})

/** Labels with the name of the Gateway that a pod is made for; the second is of older versions of Istio. */
const nameLabels = ['gateway.networking.k8s.io/gateway-name', 'istio.io/gateway-name'] as const

/** Label that says who made the pod of a gateway. */
const managedLabel = 'gateway.istio.io/managed'

/**
 * istiod sets the labels on what it makes for a Gateway of the Gateway API, each with the Gateway's name.
 * Istio: istio-discovery chart, files/kube-gateway.yaml and waypoint.yaml.
 */
function judgeGatewayLabels({ ref }: Subject, pod: Pod, tools: Tools<Message, Params>): void {
  const label = nameLabels.find(name => pod.labels.has(name)) ?? managedLabel
  const value = pod.labels.get(label)
  if (value === undefined) return
  const path = pod.at('metadata', 'labels', label)
  const gateway = label === managedLabel ? '' : value
  if (tools.inventory.find(gatewayApiKind, ref.namespace, gateway) !== undefined) return
  if (label === managedLabel || tools.inventory.knows(gatewayApiKind)) {
    tools.report('unknown-gateway', { path, value, slots: { namespace: ref.namespace, gateway } })
  } else {
    const unknown = `whether namespace "${ref.namespace}" has a Gateway "${gateway}"`
    tools.notJudged(path, unknown, 'give the Gateways of the Gateway API with --inventory')
  }
}

/** What labels change of how others reach a pod, and the value that the injector writes, if it writes one. */
const topology = [
  {
    label: networkLabel,
    written: undefined,
    consequence: 'which gateways its proxy and all others take to each other',
  },
  { label: 'topology.istio.io/cluster', written: undefined, consequence: 'which cluster the pod seems to be in' },
  { label: 'security.istio.io/tlsMode', written: 'istio', consequence: 'how others speak to the pod: in plaintext' },
  { label: 'networking.istio.io/tunnel', written: 'http', consequence: 'through which tunnel others reach the pod' },
] as const

function judgeTopology(subject: Subject, pod: Pod, tools: Tools<Message, Params>): void {
  for (const { label, written, consequence } of topology) {
    const value = pod.labels.get(label)
    if (value === undefined || value === written) continue
    const path = pod.at('metadata', 'labels', label)
    if (label === networkLabel && !isForeignNetwork(value, tools)) continue
    if (label === networkLabel && mayBeWritten(value, subject, pod, tools)) {
      const unknown = `whether the injector wrote network "${value}"`
      tools.notJudged(path, unknown, 'give the root Namespace with --inventory, or name the network in params.networks')
    } else {
      tools.report('topology-label', { path, value, slots: { consequence } })
    }
  }
}

/** An empty label says nothing. Istio: pkg/kube/inject/inject.go (extractClusterAndNetwork). */
function isForeignNetwork(value: string, tools: Tools<Message, Params>): boolean {
  return value !== '' && value !== networkOfMesh(tools) && !tools.params.networks.includes(value)
}

/**
 * The injector labels each pod with the network of its control plane, where that has one, and tells the proxy the same: what
 * the proxy was not told was written later. Istio: pkg/kube/inject/webhook.go (applyMetadata, overwriteClusterInfo).
 */
function mayBeWritten(value: string, subject: Subject, pod: Pod, tools: Tools<Message, Params>): boolean {
  if (subject.phase !== 'final' || networkOfMesh(tools) !== undefined) return false
  const proxy = containersOf(pod.template).find(({ name }) => name === proxyContainerName)
  return environmentOf(proxy?.container).get('ISTIO_META_NETWORK') === value
}
