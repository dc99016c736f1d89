import { dataPlaneOf } from '../../core/dataplane.ts'
import { webhookKind } from '../../core/injector.ts'
import { type Pod, podOf } from '../../core/pod.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { dig, list } from '../../istio/json.ts'
import { applicationContainersOf, runsAs } from '../../istio/privilege.ts'
import { type ProxyIds, proxyIdsOf } from '../../istio/proxyuser.ts'
import { annotationsOf, workloadKinds } from '../../istio/workload.ts'

type Message = 'proxy-user' | 'proxy-group' | 'proxy-supplemental-group'

interface Params {
  readonly users: readonly number[]
  readonly groups: readonly number[]
}

const ids = { type: 'array', items: { type: 'integer', minimum: 1, maximum: 4_294_967_294 } } as const

export default defineRule<Message, Params>({
  id: 'no-proxy-user',
  summary: 'Disallow containers that run as the user or group of the proxy',
  risk: [
    'Redirection tells the proxy from the application by user and group: what user or group 1337 sends goes out as it is,',
    'so that the proxy does not meet its own traffic. An application that runs as either is not captured. On OpenShift',
    'the proxy has the last number of the range that the namespace is given, and where an `istio-proxy` container of the',
    'pod names a user or group it has that. Pods that need no proxy are left alone.',
  ].join(' '),
  team: 'An image was built with user 1337, or its chart took the number from Istio’s. Any other user works.',
  judges: workloadKinds,
  reads: ['Namespace', 'ConfigMap', webhookKind],
  facts: ['workloads', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {
    users: {
      doc: 'Further users that redirection leaves alone, where the images of the installation run as others than Istio’s.',
      schema: ids,
      default: [],
    },
    groups: { doc: 'Further groups that redirection leaves alone.', schema: ids, default: [] },
  },
  messages: {
    'proxy-user': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'user {value} is the proxy’s own, and what it sends is not redirected',
      fix: 'set runAsUser to another number',
      threats: ['pod/proxy-uid', 'pod/ephemeral-container'],
    },
    'proxy-group': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'group {value} is the proxy’s own, and what it sends is not redirected',
      fix: 'set runAsGroup to another number',
      threats: ['pod/proxy-gid', 'pod/ephemeral-container'],
    },
    'proxy-supplemental-group': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'processes can switch to group {value}, the proxy’s own, and what they send then is not redirected',
      fix: 'set another group, or remove it',
      threats: ['pod/proxy-supplemental-gid'],
    },
  },
  check(subject, tools) {
    // The status of a pod says nothing about its users.
    if (subject.subresource === 'status') return
    const pod = podOf(subject, tools)
    if (pod === undefined || dataPlaneOf(subject, pod, tools) !== 'sidecar') return
    const namespace = tools.inventory.find('Namespace', '', subject.ref.namespace)
    const proxy = withMore(proxyIdsOf(pod.template, namespace && annotationsOf(namespace)), tools.params)
    judgeContainers(pod, proxy, tools)
    judgeSupplementalGroups(pod, proxy, tools)
  },
})

function withMore(proxy: ProxyIds, { users, groups }: Params): ProxyIds {
  if (users.length + groups.length === 0) return proxy
  return { users: new Set([...proxy.users, ...users]), groups: new Set([...proxy.groups, ...groups]) }
}

const identities = [
  { key: 'runAsUser', message: 'proxy-user', ids: 'users' },
  { key: 'runAsGroup', message: 'proxy-group', ids: 'groups' },
] as const

function judgeContainers(pod: Pod, proxy: ProxyIds, tools: Tools<Message, Params>): void {
  const inherited = new Set<(typeof identities)[number]>()
  for (const entry of applicationContainersOf(pod.template)) {
    for (const identity of identities) {
      const { key, message, ids } = identity
      const id = runsAs(pod.template, entry.container, key)
      if (id === undefined || !proxy[ids].has(id.value)) continue
      if (id.ofPod) {
        inherited.add(identity)
        continue
      }
      const path = pod.at('spec', entry.list, entry.index, 'securityContext', key)
      tools.report(message, { path, value: String(id.value) })
    }
  }
  // Said once, where it stands, however many containers inherit it.
  for (const { key, message } of inherited) {
    const value = String(dig(pod.template, 'spec', 'securityContext', key))
    tools.report(message, { path: pod.at('spec', 'securityContext', key), value })
  }
}

function judgeSupplementalGroups(pod: Pod, { groups }: ProxyIds, tools: Tools<Message, Params>): void {
  const context = dig(pod.template, 'spec', 'securityContext')
  for (const [i, group] of list(dig(context, 'supplementalGroups')).entries()) {
    if (typeof group !== 'number' || !groups.has(group)) continue
    const path = pod.at('spec', 'securityContext', 'supplementalGroups', i)
    tools.report('proxy-supplemental-group', { path, value: String(group) })
  }
  const group = dig(context, 'fsGroup')
  if (typeof group !== 'number' || !groups.has(group)) return
  tools.report('proxy-supplemental-group', {
    path: pod.at('spec', 'securityContext', 'fsGroup'),
    value: String(group),
  })
}
