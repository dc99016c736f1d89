import { cniNamespaces } from '../../core/cni.ts'
import { type Pod, podOf } from '../../core/pod.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { mayDeviate } from '../../core/workload.ts'
import { parseGoBool } from '../../istio/injection.ts'
import { dig } from '../../istio/json.ts'
import { annotationsOf, podTemplateOf, usesHostNetwork, workloadKinds } from '../../istio/workload.ts'

type Message = 'forged-redirection' | 'names-not-captured' | 'inbound-not-captured'

type Judge = Tools<Message, Record<never, never>>

const redirectionAnnotation = 'ambient.istio.io/redirection'
const namesAnnotation = 'ambient.istio.io/dns-capture'
const inboundAnnotation = 'ambient.istio.io/bypass-inbound-capture'

export default defineRule<Message, Record<never, never>>({
  id: 'no-ambient-bypass',
  summary: 'Disallow annotations by which a pod leaves parts of the ambient mesh',
  risk: [
    'In ambient mode the CNI agent of the node notes on a pod that its traffic is redirected: a note that somebody else',
    'wrote makes the pod look enrolled, and it is left alone. Without capture of names the application looks up the real',
    'address of a host, which ztunnel passes through: the waypoint is not used. Judged whatever mode the namespace is in,',
    'since that can change while the pod runs.',
  ].join(' '),
  team: [
    'Annotations were copied from a running pod, or DNS capture was switched off to debug a name. Remove them:',
    'ambient mode writes its own.',
  ].join(' '),
  judges: workloadKinds,
  reads: [],
  facts: ['identities', 'mesh', 'workloads'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: true,
  params: {},
  messages: {
    'forged-redirection': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the pod says itself that its traffic is redirected, so the CNI agent may leave it as it is',
      fix: 'remove the annotation: the CNI agent writes it when it is true',
      threats: ['amb/redirection-state'],
    },
    'names-not-captured': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the application looks up real addresses of hosts, which ztunnel passes through without a waypoint',
      fix: 'remove the annotation',
      threats: ['amb/dns-capture'],
    },
    'inbound-not-captured': {
      severity: 'low',
      enforcementAction: 'warn',
      why: 'what comes in reaches the pod without ztunnel, so that policies for incoming traffic do not hold',
      fix: 'remove the annotation, unless the pod takes in traffic from outside the mesh',
      threats: ['amb/bypass-inbound'],
    },
  },
  check(subject, tools) {
    const pod = podOf(subject, tools)
    // The network of the node is in no mesh: no-host-network speaks of that.
    if (pod === undefined || pod.annotations.size === 0 || usesHostNetwork(pod.template)) return
    if (mayDeviate(tools.facts.workloads.mayOptOut, subject.ref.namespace, pod)) return
    judgeRedirection(subject, pod, tools)
    judgeSwitch(pod, namesAnnotation, false, 'names-not-captured', tools)
    judgeSwitch(pod, inboundAnnotation, true, 'inbound-not-captured', tools)
  },
})

/** What is no boolean to Go is not heeded. Istio: cni/pkg/util/podutil.go (CheckBooleanAnnotation). */
function judgeSwitch(pod: Pod, annotation: string, bad: boolean, message: Message, tools: Judge): void {
  const value = pod.annotations.get(annotation)
  if (value === undefined || parseGoBool(value) !== bad) return
  tools.report(message, { path: pod.at('metadata', 'annotations', annotation), value })
}

/**
 * The CNI agent writes on running pods, by way of their status. So before a pod has a node nobody rightly has, and later
 * only the agent may change what is there.
 *
 * Istio: cni/pkg/util/podutil.go (AnnotateEnrolledPod).
 */
function judgeRedirection(subject: Subject, pod: Pod, tools: Judge): void {
  const value = pod.annotations.get(redirectionAnnotation)
  if (value === undefined) return
  const path = pod.at('metadata', 'annotations', redirectionAnnotation)
  const isNew = subject.operation === 'CREATE' && subject.requester !== undefined
  const isPlaced = subject.kind === 'Pod' && subject.phase === 'final' && hasNode(pod) && !isNew
  if (!isPlaced || isChangedByOthers(subject, value, tools)) tools.report('forged-redirection', { path, value })
}

function hasNode(pod: Pod): boolean {
  return Boolean(dig(pod.template, 'spec', 'nodeName'))
}

function isChangedByOthers({ kind, oldObject, requester }: Subject, value: string, { facts }: Judge): boolean {
  const before = podTemplateOf(kind, oldObject)?.template
  if (before === undefined || requester === undefined) return false
  if (annotationsOf(before).get(redirectionAnnotation) === value) return false
  const { username } = requester
  const isAgent = [facts.mesh.rootNamespace, ...cniNamespaces].some(
    namespace => username === `system:serviceaccount:${namespace}:istio-cni`,
  )
  return !isAgent && facts.identities.controllers?.(requester) !== true
}
