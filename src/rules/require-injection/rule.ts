import { cniExcludedNamespaces } from '../../core/cni.ts'
import { isGeneratedGateway } from '../../core/generated.ts'
import { injectionOf, injectorPolicy, type Served, servedRevisions, webhookKind } from '../../core/injector.ts'
import { type Pod, podOf } from '../../core/pod.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { enumerate } from '../../core/text.ts'
import { mayDeviate } from '../../core/workload.ts'
import { captureAnnotations } from '../../istio/capture.ts'
import {
  type InjectionDecision,
  injectKey,
  parseGoBool,
  resolveTemplates,
  templatesAnnotation,
} from '../../istio/injection.ts'
import { gatewayApiKind } from '../../istio/kinds.ts'
import {
  containersOf,
  hasInjectorOutput,
  initContainerName,
  usesHostNetwork,
  validationContainerName,
  workloadKinds,
} from '../../istio/workload.ts'
import { explain, oddPlace } from './reason.ts'

interface Params {
  readonly templates: readonly string[]
}

/** What this rule can say. */
export type Message =
  | 'opted-out'
  | 'odd-value'
  | 'unserved-revision'
  | 'other-templates'
  | 'ignored-namespace'
  | 'cni-ignores'
  | 'never-selected'
  | 'not-asked'
  | 'ambient-opt-out'
  | 'no-proxy'
  | 'no-redirection'

type Judge = Tools<Message, Params>

export default defineRule<Message, Params>({
  id: 'require-injection',
  summary: 'Require that every pod gets the proxy the organisation runs',
  risk: [
    'A pod without the proxy sends what it likes where it likes. Whether a pod is injected is decided by labels of the',
    'pod, labels of its namespace, the revisions that webhooks serve and the injector’s own configuration; Sallyport',
    'follows the same decision, so that a value which only looks harmless is told from one that is. A template other',
    'than the sidecar brings a proxy that captures nothing.',
  ].join(' '),
  team: [
    'A Job that never ends because its sidecar stays, or a pod that came up before its proxy. Native sidecars end',
    'with the Job, and `holdApplicationUntilProxyStarts: true` makes the application wait. Who must do without is',
    'named under `spec.workloads.mayOptOut`.',
  ].join(' '),
  judges: workloadKinds,
  reads: ['Namespace', 'ConfigMap', webhookKind, gatewayApiKind],
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
      fix: 'set it to "true", or name the service account "{account}" under spec.workloads.mayOptOut',
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
      why: 'no injector of the organisation serves revision "{value}", so {consequence}',
      fix: '{remedy}',
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
      why: 'the injector ignores namespace "{value}" by its name, so {consequence}',
      fix: 'move the workload to another namespace, or name its service account "{account}" under spec.workloads.mayOptOut',
      threats: ['pod/reserved-namespace'],
    },
    'cni-ignores': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'istio-cni passes by the pods of namespace "{value}", so nothing redirects their traffic to the proxy',
      fix: 'move the workload to another namespace, or take the name out of excludeNamespaces of istio-cni',
      threats: ['pod/reserved-namespace'],
    },
    'never-selected': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the labels match {selector} of the injector, so {consequence}',
      fix: 'set label sidecar.istio.io/inject to "true", which the injector heeds before its selectors',
      threats: ['pod/never-inject-selector-match'],
    },
    'not-asked': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{reason}, so {consequence}',
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
      why: 'the pod lacks what injection leaves, container "istio-proxy" and annotation sidecar.istio.io/status',
      fix: 'see whether the webhook of Istio’s injector is reachable and selects the pod, and keep what it wrote',
      threats: ['pod/missing-sidecar-final', 'pod/metadata-update-live'],
    },
    'no-redirection': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'neither container "istio-init" nor "istio-validation" is left, so nothing redirects traffic to the proxy',
      fix: 'see which webhook after Istio’s injector takes them out, or who wrote the proxy by hand',
      threats: ['pod/missing-sidecar-final'],
    },
  },
  check(subject, tools) {
    const pod = podOf(subject, tools)
    // The network of the node is never injected: no-host-network speaks of that.
    if (pod === undefined || usesHostNetwork(pod.template)) return
    if (mayDeviate(tools.facts.workloads.mayOptOut, subject.ref.namespace, pod)) return
    const served = servedRevisions(tools)
    const { namespaceLabels } = subject
    const { labels, annotations } = pod
    const question = { namespace: subject.ref.namespace, namespaceLabels, labels, annotations }
    const decision = injectionOf(question, tools, served)
    if (decision.outcome === 'injected') judgeInjected(subject, pod, decision.templates, tools)
    else if (decision.outcome === 'unknown') judgeUnknown(subject, pod, decision, served, tools)
    else if (
      decision.outcome === 'not-injected' &&
      !(leavesOut(decision) && isGeneratedGateway(subject.ref.namespace, pod, tools.inventory))
    ) {
      const { message, place } = explain(decision, pod, {
        consequence: isInjected(subject, pod) ? 'its proxy is somebody else’s' : 'the pod runs without its proxy',
        served: [...(served?.keys() ?? [])],
      })
      tools.report(message, place)
    }
  },
})

/** What istiod writes on the pods that it makes for Gateways: they are proxies, and get no second one. */
function leavesOut({ because }: InjectionDecision): boolean {
  return because === 'label-false' || because === 'ambient-opt-out'
}

function isInjected(subject: Subject, pod: Pod): boolean {
  return subject.phase === 'final' && hasInjectorOutput(pod.template)
}

function judgeInjected(subject: Subject, pod: Pod, templates: readonly string[], tools: Judge): void {
  judgeValue(pod, tools)
  judgeTemplates(pod, templates, tools)
  judgeExclusion(subject, pod, tools)
  if (subject.phase !== 'final') return
  if (!hasInjectorOutput(pod.template)) tools.report('no-proxy', { path: pod.at('spec', 'containers') })
  else if (templates.includes('sidecar') && !hasRedirection(pod) && !asksForNone(pod)) {
    tools.report('no-redirection', { path: pod.at('spec', 'initContainers') })
  }
}

function judgeValue(pod: Pod, tools: Judge): void {
  const value = pod.labels.get(injectKey) ?? pod.annotations.get(injectKey)
  if (value === undefined || value === 'true' || value === 'false') return
  const consequence =
    parseGoBool(value) === false
      ? 'the injector adds the proxy, but the CNI plugin redirects nothing to it'
      : 'the injector takes no notice of it, whatever it was meant to say'
  tools.report('odd-value', oddPlace(pod, value, consequence))
}

function judgeTemplates(pod: Pod, templates: readonly string[], tools: Judge): void {
  const asked = pod.annotations.get(templatesAnnotation)
  const foreign = templates.filter(name => !tools.params.templates.includes(name))
  if (foreign.length === 0 || asked === undefined) return
  tools.report('other-templates', {
    path: pod.at('metadata', 'annotations', templatesAnnotation),
    value: asked,
    slots: { templates: enumerate(foreign.map(name => `"${name}"`)) },
  })
}

/** With `istio-init` the pod redirects its traffic itself; before injection that is not known, and where the plugin is used it does. */
function judgeExclusion({ ref, phase }: Subject, pod: Pod, tools: Judge): void {
  const value = ref.namespace
  if (cniExcludedNamespaces(tools.facts, tools.inventory)?.includes(value) !== true) return
  if (phase === 'final' && containersOf(pod.template).some(({ name }) => name === initContainerName)) return
  tools.report('cni-ignores', { path: pod.at('metadata'), value })
}

/** The template `sidecar` always leaves one of the two: `istio-init` redirects, `istio-validation` sees that CNI did. */
/** Whether the pod asks for no redirection, of which no-capture-bypass speaks. */
function asksForNone({ annotations }: Pod): boolean {
  return annotations.get(captureAnnotations.interceptionMode) === 'NONE'
}

function hasRedirection(pod: Pod): boolean {
  for (const { name } of containersOf(pod.template)) {
    if (name === initContainerName || name === validationContainerName) return true
  }
  return false
}

function judgeUnknown(
  subject: Subject,
  pod: Pod,
  decision: InjectionDecision,
  served: Served | undefined,
  tools: Judge,
): void {
  // A final pod shows by itself that it was injected, whoever asked for it.
  if (isInjected(subject, pod)) {
    const injector = injectorPolicy(decision.revision ?? 'default', served, tools)
    return judgeInjected(subject, pod, resolveTemplates(pod.annotations, injector), tools)
  }
  if (decision.because === 'namespace-unknown') {
    const unknown = `whether namespace "${subject.ref.namespace}" asks for injection`
    return tools.notJudged(pod.at('metadata'), unknown, 'give the Namespace with --inventory')
  }
  if (subject.phase === 'final') return tools.report('no-proxy', { path: pod.at('spec', 'containers') })
  const unknown = `whether revision "${decision.revision}" is served`
  tools.notJudged(pod.at('metadata'), unknown, 'name the revisions under spec.mesh.revisions')
}
