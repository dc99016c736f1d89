import { sameJson } from '../../core/change.ts'
import type { EgressGateway } from '../../core/facts.ts'
import { takenByLabels } from '../../core/gatewaypods.ts'
import { isMadeByController } from '../../core/owner.ts'
import type { Path } from '../../core/path.ts'
import { type Pod, podOf } from '../../core/pod.ts'
import type { Requester } from '../../core/review.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { field } from '../../istio/json.ts'
import { istioGatewayKind } from '../../istio/kinds.ts'
import { labelsOf, podTemplateOf, workloadKinds } from '../../istio/workload.ts'
import { accountsOf, deploymentKind } from './identity.ts'

type Message = 'gateway-labels' | 'gateway-account'

type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'no-gateway-impersonation',
  summary: 'Disallow pods of others than the platform that pass for the egress gateway',
  risk: [
    'A pod beside the egress gateway that bears its labels is an endpoint of its Service, is configured by its Istio',
    'Gateways and let outside by the NetworkPolicies that let the gateway outside; one that runs under its service account',
    'has its identity in the mesh. So only the platform may make such pods, and may change what runs in them. Judged is',
    'who asks: not in a scan, and in `check` only with `--as`. Pods that a controller of Kubernetes makes follow a template',
    'that was judged when it was written, and what istiod makes follows a Gateway of the Gateway API.',
  ].join(' '),
  team: [
    'A chart uses the same `app` or `istio` label as the gateway. Use a label of your own: these make the pod an',
    'endpoint of the gateway.',
  ].join(' '),
  judges: workloadKinds,
  reads: ['Service', istioGatewayKind, deploymentKind],
  facts: ['egressGateways', 'identities', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['platform', 'governed', 'notGoverned'],
  outsideLaw: true,
  params: {},
  messages: {
    'gateway-labels': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'with labels {value} the pod is taken for egress gateway "{gateway}", and "{user}" is not of the platform',
      fix: 'give the pod other labels, or add the user or a group to spec.identities.platform',
      threats: ['pod/proxy-identity-theft'],
    },
    'gateway-account': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the pod has the identity of egress gateway "{gateway}" in the mesh, and "{user}" is not of the platform',
      fix: 'use another service account, or add the user or a group to spec.identities.platform',
      threats: ['pod/proxy-identity-theft'],
    },
  },
  check(subject, tools) {
    const { requester, ref } = subject
    if (requester === undefined) return
    const gateways = tools.facts.egressGateways?.filter(gateway => gateway.namespace === ref.namespace) ?? []
    if (gateways.length === 0) return
    const pod = podOf(subject, tools)
    if (pod === undefined || isTrusted(subject, requester, tools)) return
    for (const gateway of gateways) {
      const found = findIdentity(subject, pod, gateway, tools)
      if (found === undefined) continue
      if (tools.facts.identities.platform === undefined) {
        const unknown = `whether "${requester.username}" is of the platform`
        tools.notJudged(found.path, unknown, 'give spec.identities.platform in the policy')
        return
      }
      const slots = { gateway: gateway.name, user: requester.username }
      tools.report(found.message, { path: found.path, value: found.value, slots })
    }
  },
})

function isTrusted(subject: Subject, requester: Requester, { facts }: Judge): boolean {
  if (facts.identities.platform?.(requester) === true) return true
  return isMadeByController(subject.object, requester) || isIstiod(requester, facts.mesh.rootNamespace)
}

/** Account of a control plane. Istio: istio-discovery chart, templates/serviceaccount.yaml. */
function isIstiod({ username }: Requester, rootNamespace: string): boolean {
  const account = `system:serviceaccount:${rootNamespace}:istiod`
  return username === account || username.startsWith(`${account}-`)
}

interface Identity {
  readonly message: Message
  readonly path: Path
  readonly value: string
}

function findIdentity(subject: Subject, pod: Pod, gateway: EgressGateway, tools: Judge): Identity | undefined {
  const before = podTemplateOf(subject.kind, subject.oldObject)?.template
  const sameSpec = before !== undefined && sameJson(field(before, 'spec'), field(pod.template, 'spec'))
  const labels = takenByLabels(gateway, pod.labels, tools.inventory)
  if (labels !== undefined) {
    // Whoever changes something else of the gateway's own pods, such as their status, takes nobody's place.
    if (sameSpec && takenByLabels(gateway, labelsOf(before), tools.inventory) !== undefined) return undefined
    return { message: 'gateway-labels', path: pod.at('metadata', 'labels'), value: write(labels) }
  }
  if (sameSpec) return undefined
  const path = pod.at('spec', 'serviceAccountName')
  if (gateway.serviceAccount === undefined && !tools.inventory.knows(deploymentKind)) {
    const unknown = `which service account egress gateway "${gateway.name}" runs under`
    tools.notJudged(
      path,
      unknown,
      'name it in spec.egressGateways, or give the Deployments of its namespace with --inventory',
    )
  }
  if (!accountsOf(gateway, subject, tools.inventory).has(pod.serviceAccount)) return undefined
  return { message: 'gateway-account', path, value: pod.serviceAccount }
}

function write(labels: ReadonlyMap<string, string>): string {
  return [...labels].map(([key, value]) => `${key}=${value}`).join(',')
}
