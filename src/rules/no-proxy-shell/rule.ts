import { defineRule } from '../../core/rule.ts'
import { templatesAnnotation } from '../../istio/injection.ts'
import { dig, field, text } from '../../istio/json.ts'
import { proxyContainerName } from '../../istio/workload.ts'

type Message = 'opened'

/** What the API server asks about for `pods/exec` and `pods/attach`; both name the container, neither has metadata. */
const kinds = ['PodAttachOptions', 'PodExecOptions'] as const

export default defineRule<Message, Record<never, never>>({
  id: 'no-proxy-shell',
  summary: 'Disallow commands and sessions inside a running proxy',
  risk: [
    'What runs in the container of the proxy runs as its user, whose traffic is not captured: a shell there reaches the',
    'whole network, with the identity of the workload at hand. A captured container of the same pod, or a debug container',
    'beside it, does for looking around; what the proxy knows, `istioctl proxy-config` shows.',
  ].join(' '),
  team: [
    'Somebody looks for a fault. `istioctl proxy-config` and `proxy-status` show what the proxy knows without a shell',
    'in it; `kubectl exec` into the application’s own container is not touched.',
  ].join(' '),
  judges: kinds,
  reads: ['Pod'],
  facts: [],
  operations: ['CONNECT'],
  phases: ['final'],
  classes: ['governed'],
  outsideLaw: true,
  params: {},
  messages: {
    opened: {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'what runs in container "istio-proxy" runs as the user whose traffic is not captured',
      fix: 'name another container of the pod, or look at the proxy with istioctl proxy-config',
      threats: ['pod/exec-proxy'],
    },
  },
  check({ object, ref }, tools) {
    const path = ['container']
    const named = text(field(object, 'container')) ?? ''
    if (named === proxyContainerName) return tools.report('opened', { path, value: named })
    if (named !== '') return
    // The API server takes the only container of a pod that has one, and refuses to choose among several.
    const pod = tools.inventory.find('Pod', ref.namespace, ref.name)
    if (pod === undefined) {
      if (tools.inventory.knows('Pod')) return
      return tools.notJudged(path, `which container of ${ref.namespace}/${ref.name} is meant`, 'name the container')
    }
    // By its metadata, which is all that is kept of pods: this template makes the proxy the only container.
    const templates = text(dig(pod, 'metadata', 'annotations', templatesAnnotation)) ?? ''
    if (templates.split(',').some(template => template.trim() === 'gateway'))
      tools.report('opened', { path, value: '' })
  },
})
