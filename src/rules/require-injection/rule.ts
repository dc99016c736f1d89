import { type Pod, podOf } from '../../core/pod.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { enumerate } from '../../core/text.ts'
import { mayDeviate } from '../../core/workload.ts'
import {
  dataplaneModeLabel,
  decideInjection,
  type InjectionDecision,
  type InjectionReason,
  type InjectorPolicy,
  injectionLabel,
  injectKey,
  parseGoBool,
  resolveTemplates,
  revisionLabel,
  templatesAnnotation,
} from '../../istio/injection.ts'
import { readInjectorConfigMap } from '../../istio/injector.ts'
import { dig, list, stringMap } from '../../istio/json.ts'
import {
  containersOf,
  proxyContainerName,
  statusAnnotation,
  usesHostNetwork,
  workloadKinds,
} from '../../istio/workload.ts'

interface Params {
  readonly templates: readonly string[]
}

type Message =
  | 'opted-out'
  | 'odd-value'
  | 'unserved-revision'
  | 'other-templates'
  | 'ignored-namespace'
  | 'never-selected'
  | 'not-asked'
  | 'ambient-opt-out'
  | 'no-proxy'

const webhookKind = 'MutatingWebhookConfiguration.admissionregistration.k8s.io'

export default defineRule<Message, Params>({
  id: 'require-injection',
  summary: 'Require that every pod gets the proxy the organisation runs',
  risk: [
    'A pod without the proxy sends what it likes where it likes. Whether a pod is injected is decided by labels of the',
    'pod, labels of its namespace, the revisions that webhooks serve and the injector’s own configuration; Sallyport',
    'follows the same decision, so that a value which only looks harmless is told from one that is. A template other',
    'than the sidecar brings a proxy that captures nothing.',
  ].join(' '),
  judges: workloadKinds,
  reads: ['Namespace', 'ConfigMap', webhookKind],
  facts: ['workloads', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {
    templates: {
      doc: 'Injection templates a pod may ask for: the sidecar, and overlays that leave its redirection alone.',
      schema: { type: 'array', items: { type: 'string', minLength: 1 } },
      default: ['sidecar'],
    },
  },
  messages: {
    'opted-out': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the pod runs without a proxy, so nothing sees where its traffic goes',
      fix: 'remove it, or name the service account "{account}" under spec.workloads.mayOptOut',
      threats: ['pod/inject-disabled'],
    },
    'odd-value': {
      severity: 'high',
      enforcementAction: 'deny',
      why: '"{value}" is neither "true" nor "false": {consequence}',
      fix: 'write "true", or remove it',
      threats: ['pod/inject-odd-value'],
    },
    'unserved-revision': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'no injector of the organisation serves revision "{value}", so the pod runs without its proxy',
      fix: 'remove the label, or name one of {known}',
      threats: ['pod/rev-label'],
    },
    'other-templates': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'template {templates} replaces the sidecar, and nothing redirects the pod’s traffic to it',
      fix: 'remove the annotation, or have the template accepted (params.templates)',
      threats: ['pod/inject-templates'],
    },
    'ignored-namespace': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the injector ignores namespace "{value}" by its name, so the pod runs without a proxy',
      fix: 'move the workload to another namespace, or name its service account "{account}" under spec.workloads.mayOptOut',
      threats: ['pod/reserved-namespace'],
    },
    'never-selected': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the labels match {selector} of the injector, so the pod runs without a proxy',
      fix: 'set label sidecar.istio.io/inject to "true", which the injector heeds before its selectors',
      threats: ['pod/never-inject-selector-match'],
    },
    'not-asked': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{reason}, so the pod runs without a proxy',
      fix: '{remedy}',
      threats: ['pod/inject-disabled'],
    },
    'ambient-opt-out': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the pod leaves the ambient mesh of its namespace, so nothing sees where its traffic goes',
      fix: 'remove the {thing}',
      threats: ['amb/dataplane-none', 'amb/sidecar-status'],
    },
    'no-proxy': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the pod came out of injection without container "istio-proxy"',
      fix: 'see whether the webhook of Istio’s injector is reachable and selects the pod',
      threats: ['pod/missing-sidecar-final'],
    },
  },
  check(subject, tools) {
    const pod = podOf(subject, tools)
    // The network of the node is never injected: no-host-network speaks of that.
    if (pod === undefined || usesHostNetwork(pod.template)) return
    if (mayDeviate(tools.facts.workloads.mayOptOut, subject.ref.namespace, pod)) return
    const decision = decide(subject, pod, tools)
    if (decision.outcome === 'injected') {
      judgeInjected(pod, decision, tools)
      if (subject.phase === 'final' && !hasProxy(pod)) tools.report('no-proxy', { path: pod.at('spec', 'containers') })
    } else if (decision.outcome === 'not-injected') {
      judgeNotInjected(pod, decision, tools)
    } else if (decision.outcome === 'unknown') {
      judgeUnknown(subject, pod, decision, tools)
    }
  },
})

function decide(subject: Subject, pod: Pod, tools: Tools<Message, Params>): InjectionDecision {
  const served = servedRevisions(tools)
  return decideInjection({
    namespace: subject.ref.namespace,
    namespaceLabels: subject.namespaceLabels,
    labels: pod.labels,
    annotations: pod.annotations,
    hostNetwork: false,
    revisions: served,
    defaultTag: served === undefined ? undefined : served.has('default'),
    injector: injectorPolicy(tools),
    enableNamespacesByDefault: false,
  })
}

/** Revisions and tags that the organisation's injectors serve, by its webhook configurations, else by its policy. */
function servedRevisions(tools: Tools<Message, Params>): ReadonlySet<string> | undefined {
  const { inventory, facts } = tools
  if (!inventory.knows(webhookKind))
    return facts.mesh.revisions === undefined ? undefined : new Set(facts.mesh.revisions)
  const served = new Set<string>()
  for (const configuration of inventory.list(webhookKind)) {
    const labels = stringMap(dig(configuration, 'metadata', 'labels'))
    if (labels.get('app') !== 'sidecar-injector') continue
    const revision = labels.get(revisionLabel)
    const tag = labels.get('istio.io/tag')
    if (tag !== undefined) served.add(tag)
    else if (revision !== undefined) served.add(revision)
    if (servesDefault(configuration)) served.add('default')
  }
  const governed = facts.mesh.revisions
  return governed === undefined ? served : new Set([...served].filter(name => governed.includes(name)))
}

/** The default webhooks are those that select namespaces by `istio-injection: enabled`. */
function servesDefault(configuration: unknown): boolean {
  return list(dig(configuration, 'webhooks')).some(webhook =>
    list(dig(webhook, 'namespaceSelector', 'matchExpressions')).some(
      expression =>
        dig(expression, 'key') === injectionLabel &&
        dig(expression, 'operator') === 'In' &&
        list(dig(expression, 'values')).includes('enabled'),
    ),
  )
}

function injectorPolicy(tools: Tools<Message, Params>): InjectorPolicy | undefined {
  const configMap = tools.inventory.find('ConfigMap', tools.facts.mesh.rootNamespace, 'istio-sidecar-injector')
  if (configMap === undefined) return undefined
  const { policy } = readInjectorConfigMap(configMap)
  return policy?.ok ? policy.value : undefined
}

function judgeInjected(pod: Pod, decision: InjectionDecision, tools: Tools<Message, Params>): void {
  const value = pod.labels.get(injectKey) ?? pod.annotations.get(injectKey)
  if (value !== undefined && value !== 'true' && value !== 'false') reportOdd(pod, decision, tools)
  const foreign = decision.templates.filter(name => !tools.params.templates.includes(name))
  const asked = pod.annotations.get(templatesAnnotation)
  if (foreign.length === 0 || asked === undefined) return
  tools.report('other-templates', {
    path: pod.at('metadata', 'annotations', templatesAnnotation),
    value: asked,
    slots: { templates: enumerate(foreign.map(name => `"${name}"`)) },
  })
}

function reportOdd(pod: Pod, decision: InjectionDecision, tools: Tools<Message, Params>): void {
  const isLabel = pod.labels.has(injectKey)
  const value = (isLabel ? pod.labels : pod.annotations).get(injectKey) ?? ''
  const consequence =
    decision.outcome === 'not-injected'
      ? 'no webhook selects the pod, and it runs without a proxy'
      : parseGoBool(value) === false
        ? 'the injector adds the proxy, but the CNI plugin redirects nothing to it'
        : 'Istio’s parts read it differently'
  tools.report('odd-value', {
    path: pod.at('metadata', isLabel ? 'labels' : 'annotations', injectKey),
    value,
    slots: { consequence },
  })
}

function judgeNotInjected(pod: Pod, decision: InjectionDecision, tools: Tools<Message, Params>): void {
  const { because, where } = decision
  const account = pod.serviceAccount
  const label = (key: string): readonly (string | number)[] => pod.at('metadata', 'labels', key)
  switch (because) {
    case 'label-false':
      return tools.report('opted-out', { path: label(injectKey), value: 'false', slots: { account } })
    case 'annotation-false': {
      const path = pod.at('metadata', 'annotations', injectKey)
      return tools.report('opted-out', { path, value: 'false', slots: { account } })
    }
    case 'odd-label':
      return reportOdd(pod, decision, tools)
    case 'pod-revision-unserved': {
      const known = knownRevisions(tools)
      return tools.report('unserved-revision', {
        path: label(revisionLabel),
        value: where.value ?? '',
        slots: { known },
      })
    }
    case 'reserved-namespace': {
      const path = pod.at('metadata')
      return tools.report('ignored-namespace', { path, value: where.value ?? '', slots: { account } })
    }
    case 'never-selector':
      return tools.report('never-selected', {
        path: pod.at('metadata', 'labels'),
        slots: { selector: where.key ?? '' },
      })
    case 'ambient-opt-out': {
      const slots = { thing: `label ${dataplaneModeLabel}` }
      return tools.report('ambient-opt-out', { path: label(dataplaneModeLabel), value: where.value ?? '', slots })
    }
    case 'ambient-sidecar-status': {
      const path = pod.at('metadata', 'annotations', statusAnnotation)
      return tools.report('ambient-opt-out', {
        path,
        value: where.value ?? '',
        slots: { thing: `annotation ${statusAnnotation}` },
      })
    }
    default: {
      const words = notAsked[because]
      if (words === undefined) throw new Error(`no words for "${because}"`)
      const [reason, remedy] = words(where.value ?? '')
      return tools.report('not-asked', { path: pod.at('metadata', 'labels'), slots: { reason, remedy } })
    }
  }
}

const askOnPod = 'set label sidecar.istio.io/inject to "true" on the pod'

/** What the namespace or the injector does that keeps the proxy out, and what helps. */
const notAsked: Partial<Record<InjectionReason, (value: string) => readonly [reason: string, remedy: string]>> = {
  'not-asked': () => [
    'neither pod nor namespace asks for injection',
    `${askOnPod}, or label the namespace istio-injection: enabled`,
  ],
  'namespace-disabled': value => [
    `its namespace says istio-injection: "${value}"`,
    'label the namespace istio-injection: enabled',
  ],
  'namespace-revision-unserved': value => [
    `no injector of the organisation serves revision "${value}" of its namespace`,
    'label the namespace with a revision that is served',
  ],
  'default-unserved': () => [
    'no injector serves the default revision',
    'label the namespace istio.io/rev with a revision that is served',
  ],
  'policy-disabled': () => ['the injector’s policy is "disabled"', askOnPod],
  'policy-invalid': value => [
    `the injector’s policy is "${value}", with which it injects nothing`,
    'set the policy in ConfigMap istio-sidecar-injector to enabled',
  ],
}

function knownRevisions(tools: Tools<Message, Params>): string {
  const served = servedRevisions(tools)
  return served === undefined
    ? 'the organisation’s'
    : enumerate(
        [...served].sort().map(name => `"${name}"`),
        'or',
      )
}

function judgeUnknown(subject: Subject, pod: Pod, decision: InjectionDecision, tools: Tools<Message, Params>): void {
  // The final pod shows what injection made of it.
  if (subject.phase === 'final') {
    if (hasProxy(pod)) {
      judgeInjected(pod, { ...decision, templates: resolveTemplates(pod.annotations, injectorPolicy(tools)) }, tools)
    } else tools.report('no-proxy', { path: pod.at('spec', 'containers') })
    return
  }
  if (decision.because === 'namespace-unknown') {
    const unknown = `whether namespace "${subject.ref.namespace}" asks for injection`
    tools.notJudged(pod.at('metadata'), unknown, 'give the Namespace with --inventory')
    return
  }
  const unknown = `whether revision "${decision.revision}" is served`
  tools.notJudged(pod.at('metadata', 'labels'), unknown, 'name the revisions under spec.mesh.revisions')
}

function hasProxy(pod: Pod): boolean {
  for (const { list: where, name } of containersOf(pod.template)) {
    if (where !== 'ephemeralContainers' && name === proxyContainerName) return true
  }
  return false
}
