import type { Path } from '../../core/path.ts'
import { type Pod, podOf } from '../../core/pod.ts'
import { proxyConfigAnnotation, proxyConfigOf } from '../../core/proxysettings.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { show } from '../../core/text.ts'
import { few, giveRanges, judgeUncaptured } from '../../core/uncaptured.ts'
import { mayDeviate } from '../../core/workload.ts'
import { type Capture, captureAnnotations, readCapture, reroutedInterfaces } from '../../istio/capture.ts'
import { complement, type Ranges } from '../../istio/cidr.ts'
import { usesHostNetwork, workloadKinds } from '../../istio/workload.ts'
import { judgeArguments } from './arguments.ts'
import { type ArgumentMessage, argumentMessages } from './messages.ts'
import { acceptedRanges, type Params } from './params.ts'

type Message =
  | ArgumentMessage
  | 'excluded-ranges'
  | 'included-ranges'
  | 'excluded-ports'
  | 'excluded-interfaces'
  | 'rerouted-interfaces'
  | 'interception-mode'
  | 'transparent-mode'
  | 'unreadable'

const text = { type: 'string', minLength: 1 }
const port = { type: 'integer', minimum: 1, maximum: 65535 }

export default defineRule<Message, Params>({
  id: 'no-capture-bypass',
  summary: 'Disallow settings that let traffic leave a pod without passing its proxy',
  risk: [
    'Istio reads from the annotations of a pod which destinations, ports and interfaces its sidecar captures. What is',
    'left out goes straight to the network: no policy, no log, no egress gateway. Values are judged, not keys: ranges',
    'are united and compared with the ranges of pods and Services, so that two halves of the internet are the internet,',
    'and an exclusion of cluster addresses alone passes. Of a final pod the arguments of `istio-init` are judged too, which',
    'the values of the installation decide where the pod says nothing.',
  ].join(' '),
  team: [
    'A database driver, a message queue or a node’s own address did not work through the proxy, and an exclusion was',
    'the quick answer. Addresses inside `spec.ranges` may be excluded as ever; for an outside address register the',
    'host with its protocol (a TCP entry needs no HTTP), and it works through the proxy.',
  ].join(' '),
  judges: workloadKinds,
  reads: ['Namespace'],
  facts: ['ranges', 'workloads'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {
    excludableRanges: {
      doc: 'Ranges beyond those of pods and Services that a pod may keep from its proxy.',
      schema: { type: 'array', items: { type: 'string', format: 'ip-range' } },
      default: [],
    },
    excludablePorts: {
      doc: 'Destination ports that a pod may keep from its proxy.',
      schema: { type: 'array', items: port },
      default: [],
    },
    excludableInterfaces: {
      doc: 'Network interfaces whose traffic may pass by the proxy, such as a secondary one for storage.',
      schema: { type: 'array', items: text },
      default: [],
    },
    reroutableInterfaces: {
      doc: 'Interfaces of virtual machines (KubeVirt, docker-in-docker) that a pod may hand to its proxy.',
      schema: { type: 'array', items: text },
      default: [],
    },
    interceptionModes: {
      doc: 'How packets may reach the proxy; NONE is never accepted.',
      schema: { type: 'array', items: { enum: ['REDIRECT', 'TPROXY'] } },
      default: ['REDIRECT'],
    },
  },
  messages: {
    'excluded-ranges': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'connections to {outside} leave without passing the proxy',
      fix: 'keep only ranges of the cluster in the annotation, or have others accepted (params.excludableRanges)',
      threats: ['pod/exclude-outbound-ip-ranges', 'pod/metadata-update-live'],
    },
    'included-ranges': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'only the listed ranges are captured, so connections to {outside} leave without passing the proxy',
      fix: 'set the annotation to "*", or remove it',
      threats: ['pod/include-outbound-ip-ranges'],
    },
    'excluded-ports': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'connections to {outside} leave without passing the proxy, whatever the address',
      fix: 'take {outside} out of the annotation, or have the ports accepted (params.excludablePorts)',
      threats: ['pod/exclude-outbound-ports'],
    },
    'excluded-interfaces': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'all that leaves by {outside} passes by the proxy',
      fix: 'take {outside} out of the annotation, or have the interfaces accepted (params.excludableInterfaces)',
      threats: ['pod/exclude-interfaces'],
    },
    'rerouted-interfaces': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'traffic arriving by {outside} is taken for traffic of a virtual machine, and inbound capture ends there',
      fix: 'remove {outside}, or have the interfaces accepted (params.reroutableInterfaces)',
      threats: ['pod/reroute-virtual-interfaces'],
    },
    'interception-mode': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'with interception mode {value} nothing redirects the pod’s traffic to its proxy',
      fix: 'remove {setting}: traffic is then redirected',
      threats: ['pod/interception-mode'],
    },
    'transparent-mode': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'with interception mode {value} the proxy runs as root, kept out of capture by its group alone',
      fix: 'remove {setting}, or have the mode accepted (params.interceptionModes)',
      threats: ['pod/interception-mode'],
    },
    unreadable: {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'Istio cannot read "{value}": {problem}',
      fix: 'correct the value, or remove the annotation',
      threats: [
        'pod/include-outbound-ports',
        'pod/include-outbound-ip-ranges',
        'pod/exclude-outbound-ip-ranges',
        'pod/exclude-outbound-ports',
        'pod/interception-mode',
      ],
    },
    ...argumentMessages,
  },
  check(subject, tools) {
    const pod = podOf(subject, tools)
    // The network of the node is never captured: no-host-network speaks of that.
    if (pod === undefined || usesHostNetwork(pod.template)) return
    if (mayDeviate(tools.facts.workloads.mayOptOut, subject.ref.namespace, pod)) return
    const capture = readCapture(pod.annotations)
    for (const name of outbound) {
      const read = capture[name]
      if (read?.ok === false) {
        tools.report('unreadable', { ...placeOf(pod, name), slots: { problem: read.why } })
      }
    }
    judgeRanges(pod, capture, tools)
    judgePorts(pod, capture, tools)
    judgeInterfaces(pod, capture, tools)
    const mode = capture.interceptionMode
    if (mode === undefined) judgeProxyConfig(pod, tools)
    else if (mode.ok) judgeMode(mode.value, placeOf(pod, 'interceptionMode').path, 'the annotation', tools)
    if (subject.phase === 'final') judgeArguments(subject, pod, tools)
  },
})

function judgeMode(mode: string, path: Path, setting: string, tools: Tools<Message, Params>): void {
  if (tools.params.interceptionModes.includes(mode)) return
  tools.report(mode === 'TPROXY' ? 'transparent-mode' : 'interception-mode', { path, value: mode, slots: { setting } })
}

/** The mode in the configuration of the proxy counts where the mode's own annotation is absent. */
function judgeProxyConfig(pod: Pod, tools: Tools<Message, Params>): void {
  const read = proxyConfigOf(pod)
  if (read === undefined) return
  const path = pod.at('metadata', 'annotations', proxyConfigAnnotation)
  if (!read.ok) {
    const value = String(pod.annotations.get(proxyConfigAnnotation))
    tools.report('unreadable', { path, value, slots: { problem: read.why } })
    return
  }
  const mode = read.value.find(setting => setting.path.join('.') === 'interceptionMode')
  if (mode !== undefined) judgeMode(show(mode.value), path, 'interceptionMode from the annotation', tools)
}

/** What lets traffic out; of the settings for incoming traffic Istio refuses the unreadable ones itself. */
const outbound = [
  'includeOutboundIPRanges',
  'excludeOutboundIPRanges',
  'includeOutboundPorts',
  'excludeOutboundPorts',
  'excludeInterfaces',
  'rerouteVirtualInterfaces',
  'kubevirtInterfaces',
  'interceptionMode',
] as const satisfies readonly (keyof Capture)[]

function placeOf(pod: Pod, name: keyof Capture): { path: ReturnType<Pod['at']>; value: string } {
  const annotation = captureAnnotations[name]
  // Only an annotation that was read is spoken of, so it has a value.
  return { path: pod.at('metadata', 'annotations', annotation), value: String(pod.annotations.get(annotation)) }
}

function judgeRanges(pod: Pod, capture: Capture, tools: Tools<Message, Params>): void {
  const { excludeOutboundIPRanges: excluded, includeOutboundIPRanges: included } = capture
  if (excluded?.ok) judgeLeft(pod, 'excludeOutboundIPRanges', 'excluded-ranges', excluded.value, tools)
  if (included?.ok) {
    judgeLeft(pod, 'includeOutboundIPRanges', 'included-ranges', complement(included.value), tools)
  }
}

function judgeLeft(
  pod: Pod,
  name: 'excludeOutboundIPRanges' | 'includeOutboundIPRanges',
  message: 'excluded-ranges' | 'included-ranges',
  uncaptured: Ranges,
  tools: Tools<Message, Params>,
): void {
  const answer = judgeUncaptured(uncaptured, tools.facts, acceptedRanges(tools.params))
  const place = placeOf(pod, name)
  if (answer.leaves === 'yes') tools.report(message, { ...place, slots: { outside: answer.outside } })
  if (answer.leaves === 'unknown') {
    tools.notJudged(place.path, `whether ${answer.outside} is inside the cluster`, giveRanges)
  }
}

function judgePorts(pod: Pod, capture: Capture, tools: Tools<Message, Params>): void {
  const excluded = capture.excludeOutboundPorts
  if (!excluded?.ok) return
  const outside = excluded.value.filter(port => !tools.params.excludablePorts.includes(port))
  if (outside.length === 0) return
  const slots = { outside: `${outside.length === 1 ? 'port' : 'ports'} ${few(outside.map(String))}` }
  tools.report('excluded-ports', { ...placeOf(pod, 'excludeOutboundPorts'), slots })
}

function judgeInterfaces(pod: Pod, capture: Capture, tools: Tools<Message, Params>): void {
  const excluded = capture.excludeInterfaces
  if (excluded?.ok) {
    const outside = excluded.value.filter(name => !tools.params.excludableInterfaces.includes(name))
    if (outside.length > 0) {
      const slots = { outside: few(outside) }
      tools.report('excluded-interfaces', { ...placeOf(pod, 'excludeInterfaces'), slots })
    }
  }
  const rerouted = reroutedInterfaces(capture)
  if (!rerouted?.ok) return
  const outside = rerouted.value.filter(name => !tools.params.reroutableInterfaces.includes(name))
  if (outside.length === 0) return
  const name = capture.rerouteVirtualInterfaces === undefined ? 'kubevirtInterfaces' : 'rerouteVirtualInterfaces'
  tools.report('rerouted-interfaces', { ...placeOf(pod, name), slots: { outside: few(outside) } })
}
