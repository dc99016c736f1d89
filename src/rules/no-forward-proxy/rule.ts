import { authoredContainersOf } from '../../core/dataplane.ts'
import { webhookKind } from '../../core/injector.ts'
import type { Path } from '../../core/path.ts'
import { placeOf } from '../../core/place.ts'
import { podOf } from '../../core/pod.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { mayDeviate } from '../../core/workload.ts'
import { field, isFields, list, text } from '../../istio/json.ts'
import { gatewayApiKind } from '../../istio/kinds.ts'
import { usesHostNetwork, workloadKinds } from '../../istio/workload.ts'
import { proxyHost, withoutUser } from './address.ts'

type Message = 'unapproved-proxy' | 'unreadable-proxy' | 'forward-proxy'

type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'no-forward-proxy',
  summary: 'Disallow sending an application to a forward proxy that is not approved',
  risk: [
    'With `HTTP_PROXY` and its like an application asks one host for everything, and that host is all the mesh sees. An',
    'outside proxy must be approved for the namespace like any other host; one in the cluster or approved is still said,',
    'since it takes traffic past the routes of each host. A value that comes from elsewhere cannot be judged, and',
    'what `envFrom` adds is not seen at all.',
  ].join(' '),
  team: [
    '`HTTP_PROXY` from the days before the mesh. Remove it where the host can be approved and routed by the egress',
    'gateway; where the company’s proxy must stay, have it approved like any other host.',
  ].join(' '),
  judges: workloadKinds,
  reads: ['ConfigMap', 'Namespace', 'Service', webhookKind, gatewayApiKind],
  facts: ['approvedHosts', 'mesh', 'ranges', 'workloads'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {},
  messages: {
    'unapproved-proxy': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'proxy "{value}" is not approved for namespace "{namespace}", and hides where traffic really goes',
      fix: 'remove the variable, or have the host approved for the namespace (ApprovedHosts)',
      threats: ['pod/proxy-env-http-proxy'],
    },
    'unreadable-proxy': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: '"{value}" {problem}, so that clients may use another proxy than it seems',
      fix: 'write scheme, host and port alone, or remove the variable',
      threats: ['pod/proxy-env-http-proxy'],
    },
    'forward-proxy': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'proxy "{value}" takes the place of every destination, so that the routes of none apply',
      fix: 'remove the variable, and reach each host by a ServiceEntry of its own',
      threats: ['pod/proxy-env-http-proxy'],
    },
  },
  check(subject, tools) {
    // The status of a pod sets no variables.
    if (subject.subresource === 'status') return
    const pod = podOf(subject, tools)
    if (pod === undefined || usesHostNetwork(pod.template)) return
    const { namespace } = subject.ref
    if (mayDeviate(tools.facts.workloads.mayOptOut, namespace, pod)) return
    for (const { list: of, index, container } of authoredContainersOf(subject, pod, tools)) {
      for (const [i, entry] of list(field(container, 'env')).entries()) {
        const name = text(field(entry, 'name'))
        if (name === undefined || !variables.test(name)) continue
        judgeVariable(entry, pod.at('spec', of, index, 'env', i), namespace, tools)
      }
    }
  },
})

/** Variables by which programs find a proxy, in whatever case: some read only the one, some any. */
const variables = /^(?:https?|all|ftp|grpc)_proxy$/i

function judgeVariable(entry: unknown, path: Path, namespace: string, tools: Judge): void {
  const address = text(field(entry, 'value')) ?? ''
  const isElsewhere = isFields(field(entry, 'valueFrom'))
  // The kubelet puts other variables in the place of $(NAME).
  if (isElsewhere || address.includes('$(')) {
    const unknown = 'which proxy the application uses, since the value comes from elsewhere'
    tools.notJudged([...path, isElsewhere ? 'valueFrom' : 'value'], unknown, 'write the value into the pod')
    return
  }
  if (address === '') return
  const at = [...path, 'value']
  const host = proxyHost(address)
  if (!host.ok) {
    tools.report('unreadable-proxy', { path: at, value: withoutUser(address), slots: { problem: host.why } })
    return
  }
  const place = placeOf(host.value, namespace, tools)
  if (place === 'pod') return
  if (typeof place === 'object') return tools.notJudged(at, place.unknown, place.fix)
  const message = place === 'accepted' ? 'forward-proxy' : 'unapproved-proxy'
  tools.report(message, { path: at, value: host.value.text, slots: { namespace } })
}
