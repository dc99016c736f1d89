import { matchesLabels, parseSelector } from './selector.ts'
import { trimSpace } from './text.ts'
import { statusAnnotation } from './workload.ts'

/** Label, and deprecated annotation, of a pod that switches injection on or off. */
export const injectKey = 'sidecar.istio.io/inject'

/** Label of a namespace or pod that chooses the control plane by revision or tag. */
export const revisionLabel = 'istio.io/rev'

/** Label of a namespace that switches injection by the default control plane on or off. */
export const injectionLabel = 'istio-injection'

/** Label of a namespace or pod that enrols it into ambient mode or takes it out. */
export const dataplaneModeLabel = 'istio.io/dataplane-mode'

/** Annotation of a pod that names the templates to inject. */
export const templatesAnnotation = 'inject.istio.io/templates'

/** Namespaces that the injector ignores whatever their labels say. Istio: pkg/kube/inject/initializer.go. */
export const reservedNamespaces: ReadonlySet<string> = new Set([
  'kube-system',
  'kube-public',
  'kube-node-lease',
  'local-path-storage',
])

/** What the injector's ConfigMap says about which pods to inject, and with what. */
export type InjectorPolicy = {
  /** As written; the injector knows `enabled` and `disabled` and injects nothing at all with any other. */
  readonly policy: string
  /** LabelSelectors as written, since the injector passes over those that are malformed. */
  readonly neverInjectSelector: readonly unknown[]
  readonly alwaysInjectSelector: readonly unknown[]
  readonly defaultTemplates: readonly string[]
  /** Expanded once, not recursively. */
  readonly aliases: ReadonlyMap<string, readonly string[]>
}

/** The policy of an injector as Istio's chart installs it. */
export const defaultInjectorPolicy: InjectorPolicy = {
  policy: 'enabled',
  neverInjectSelector: [],
  alwaysInjectSelector: [],
  defaultTemplates: ['sidecar'],
  aliases: new Map(),
}

/** What decides whether a pod is injected. */
export type InjectionInput = {
  readonly namespace: string
  /** Undefined where the namespace is not known. */
  readonly namespaceLabels: ReadonlyMap<string, string> | undefined
  readonly labels: ReadonlyMap<string, string>
  readonly annotations: ReadonlyMap<string, string>
  readonly hostNetwork: boolean
  /** Revisions and tags that a webhook serves; undefined where that is not known. */
  readonly revisions: Pick<ReadonlySet<string>, 'has'> | undefined
  /**
   * Whether webhooks of the default control plane exist: of a revision without a name, or of the tag `default`. They alone
   * serve `istio-injection: enabled` and a pod's own `sidecar.istio.io/inject: "true"`. Undefined where that is not known.
   */
  readonly defaultTag: boolean | undefined
  /** By the revision that is asked; undefined where the ConfigMap is not known: Istio's defaults are assumed. */
  readonly injector: InjectorPolicy | ((revision: string) => InjectorPolicy | undefined) | undefined
  /** Helm value `sidecarInjectorWebhook.enableNamespacesByDefault`: namespaces without any label are injected too. */
  readonly enableNamespacesByDefault: boolean
}

/** Outcome of the injection decision. */
export type InjectionOutcome =
  /** The pod gets the containers of the templates. */
  | 'injected'
  /** The pod stays as submitted, and ambient mode does not take it. */
  | 'not-injected'
  /** No proxy in the pod; by its labels ambient mode takes its traffic, where ambient mode is installed. */
  | 'ambient'
  /** Something needed to decide is not known. */
  | 'unknown'

/** Why the injection decision came out as it did; in brackets the outcome. */
export type InjectionReason =
  /** [injected] The namespace has `istio-injection: enabled`. */
  | 'namespace-enabled'
  /** [injected] The namespace's `istio.io/rev` names a revision or tag that is served. */
  | 'namespace-revision'
  /** [injected] The pod's `istio.io/rev` names a revision or tag that is served, and the namespace has no label. */
  | 'pod-revision'
  /** [injected] The pod's label says `true`, and the namespace has no label. */
  | 'pod-enabled'
  /** [injected] No label at all, and the control plane injects such pods. */
  | 'enabled-by-default'
  /** [injected] Injection is off by policy, and an `alwaysInjectSelector` matches the pod. */
  | 'always-selector'
  /**
   * [injected] The value of the pod's label or annotation is odd: the injector takes no notice of it, but the CNI plugin
   * reads it as false and then redirects nothing. Without the CNI plugin the pod is redirected like any other.
   */
  | 'cni-skips'
  /** [not-injected] The pod uses the network of its node. */
  | 'host-network'
  /** [not-injected] The injector ignores this namespace by its name. */
  | 'reserved-namespace'
  /** [not-injected] The pod's label says `false`. */
  | 'label-false'
  /** [not-injected] The pod's annotation says `false`, and no label hides it. */
  | 'annotation-false'
  /** [not-injected] The namespace has `istio-injection` with another value than `enabled`. */
  | 'namespace-disabled'
  /** [not-injected] The namespace's `istio.io/rev` names nothing that is served. */
  | 'namespace-revision-unserved'
  /** [not-injected] The pod's `istio.io/rev` names nothing that is served, and the namespace has no label. */
  | 'pod-revision-unserved'
  /** [not-injected] Namespace or pod ask for the default control plane, and there is none. */
  | 'default-unserved'
  /** [not-injected] The namespace has no label, and the pod's label is neither `true` nor `false`: no webhook matches. */
  | 'odd-label'
  /** [not-injected] Neither namespace nor pod ask for injection. */
  | 'not-asked'
  /** [not-injected] A `neverInjectSelector` matches the pod, and the pod says neither `true` nor `false`. */
  | 'never-selector'
  /** [not-injected] Injection is off by policy, and the pod does not ask for it. */
  | 'policy-disabled'
  /** [not-injected] The policy is neither `enabled` nor `disabled`. */
  | 'policy-invalid'
  /** [not-injected] The namespace is in ambient mode, and the pod's label takes it out. */
  | 'ambient-opt-out'
  /** [not-injected] Labels say ambient, and the pod bears the injector's annotation: ambient mode leaves it alone. */
  | 'ambient-sidecar-status'
  /** [ambient] The namespace is in ambient mode. */
  | 'ambient-namespace'
  /** [ambient] The pod is in ambient mode by its own label. */
  | 'ambient-pod'
  /** [unknown] The labels of the namespace are not known. */
  | 'namespace-unknown'
  /** [unknown] What the webhooks serve is not known. */
  | 'revisions-unknown'

/** What decided: a label or annotation of the pod, a label of the namespace, a field of the spec, the injector. */
export type InjectionPlace = {
  readonly subject: 'label' | 'annotation' | 'namespace' | 'spec' | 'injector'
  readonly key?: string
  readonly value?: string
}

/** The injection decision and what it rests on. */
export type InjectionDecision = {
  readonly outcome: InjectionOutcome
  readonly because: InjectionReason
  readonly where: InjectionPlace
  /** Revision or tag that the pod falls to; set where one was asked for, served or not. */
  readonly revision?: string
  /** Templates that are rendered, aliases resolved; empty where nothing is injected. */
  readonly templates: readonly string[]
}

/** Returns the value of a Go boolean as `strconv.ParseBool` reads it, or undefined where that refuses the text. */
export function parseGoBool(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false
  return undefined
}

/**
 * Returns the names of the templates that the injector renders for a pod: those of its annotation, else the defaults, with
 * aliases expanded once. The annotation is split at commas and each part trimmed; present but empty it names the template
 * "", which does not exist.
 *
 * Istio: pkg/kube/inject/inject.go (selectTemplates, resolveAliases, UnmarshalConfig).
 */
export function resolveTemplates(
  annotations: ReadonlyMap<string, string>,
  injector: InjectorPolicy = defaultInjectorPolicy,
): readonly string[] {
  const asked = annotations.get(templatesAnnotation)
  const defaults = injector.defaultTemplates.length > 0 ? injector.defaultTemplates : ['sidecar']
  const names = asked === undefined ? defaults : asked.split(',').map(trimSpace)
  return names.flatMap(name => injector.aliases.get(name) ?? [name])
}

/**
 * Returns whether a pod is injected, and why: first which webhook the API server calls, by exact labels of namespace and
 * pod, then what the injector makes of it, at last whether ambient mode takes a pod without proxy.
 *
 *     istio-injection   istio.io/rev    pod label        pod label      webhook
 *     of namespace      of namespace    …/inject         istio.io/rev
 *     any               any             false            any            none
 *     enabled           any             (not false)      any            default
 *     other value       any             (not false)      any            none
 *     -                 R               (not false)      any            of R
 *     -                 -               (not false)      R              of R
 *     -                 -               true             -              default
 *     -                 -               other value      -              none
 *     -                 -               -                -              none, or default if enabled for all
 *
 * In the injector the pod's label (even an empty one) hides its annotation; `true` and `false` decide, any other value
 * leaves it to the selectors, never before always, and then to the policy.
 *
 * The reasons nearest to the pod win where several hold. A pod that is not injected for a reason of its own is reported so
 * even where the labels of the namespace are not known: the namespace is not presumed to be in ambient mode.
 *
 * Istio: istio-discovery chart, templates/mutatingwebhook.yaml and revision-tags-mwc.yaml; pkg/kube/inject/inject.go
 * (injectRequired); cni/pkg/plugin/plugin.go (doAddRun); istio-cni chart, values.yaml (ambient.enablementSelectors).
 */
export function decideInjection(input: InjectionInput): InjectionDecision {
  const decision = decideSidecar(input)
  if (decision.outcome !== 'not-injected' || input.hostNetwork) return decision
  return decideAmbient(input) ?? decision
}

function decideSidecar(input: InjectionInput): InjectionDecision {
  const { labels, annotations, namespace } = input
  if (input.hostNetwork) return refuse('host-network', { subject: 'spec', key: 'hostNetwork', value: 'true' })
  if (reservedNamespaces.has(namespace)) return refuse('reserved-namespace', { subject: 'namespace', value: namespace })
  const asked = askedBy(labels, annotations)
  if (asked?.value === 'false') {
    return refuse(asked.subject === 'label' ? 'label-false' : 'annotation-false', asked)
  }
  const call = chooseWebhook(input)
  if (call.outcome !== 'injected') return call
  const { injector: given } = input
  const injector = (typeof given === 'function' ? given(String(call.revision)) : given) ?? defaultInjectorPolicy
  const answer = judgePolicy(injector, labels, asked, call)
  if (answer.outcome !== 'injected') return answer
  const skips = asked !== undefined && parseGoBool(asked.value) === false
  return {
    ...answer,
    ...(skips ? { because: 'cni-skips', where: asked } : {}),
    templates: resolveTemplates(annotations, injector),
  }
}

type Asked = InjectionPlace & { readonly value: string }

/** Returns what the pod says about its injection: the label, even an empty one, before the annotation. */
function askedBy(labels: ReadonlyMap<string, string>, annotations: ReadonlyMap<string, string>): Asked | undefined {
  const label = labels.get(injectKey)
  if (label !== undefined) return { subject: 'label', key: injectKey, value: label }
  const annotation = annotations.get(injectKey)
  return annotation === undefined ? undefined : { subject: 'annotation', key: injectKey, value: annotation }
}

/** Returns which webhook the API server calls for a pod whose label is not `false`. */
function chooseWebhook(input: InjectionInput): InjectionDecision {
  const { namespaceLabels, labels } = input
  if (namespaceLabels === undefined) {
    return { outcome: 'unknown', because: 'namespace-unknown', where: { subject: 'namespace' }, templates: [] }
  }
  const injection = namespaceLabels.get(injectionLabel)
  if (injection !== undefined) {
    const where: InjectionPlace = { subject: 'namespace', key: injectionLabel, value: injection }
    return injection === 'enabled' ? askDefault(input, 'namespace-enabled', where) : refuse('namespace-disabled', where)
  }
  const namespaceRevision = namespaceLabels.get(revisionLabel)
  if (namespaceRevision !== undefined) {
    const where: InjectionPlace = { subject: 'namespace', key: revisionLabel, value: namespaceRevision }
    return askRevision(input, namespaceRevision, where)
  }
  const revision = labels.get(revisionLabel)
  if (revision !== undefined) {
    return askRevision(input, revision, { subject: 'label', key: revisionLabel, value: revision })
  }
  const label = labels.get(injectKey)
  if (label !== undefined) {
    const where: InjectionPlace = { subject: 'label', key: injectKey, value: label }
    return label === 'true' ? askDefault(input, 'pod-enabled', where) : refuse('odd-label', where)
  }
  if (!input.enableNamespacesByDefault) return refuse('not-asked', { subject: 'namespace', key: injectionLabel })
  return askDefault(input, 'enabled-by-default', { subject: 'injector', key: 'enableNamespacesByDefault' })
}

function askDefault(input: InjectionInput, because: InjectionReason, where: InjectionPlace): InjectionDecision {
  return answerFor({ served: input.defaultTag, revision: 'default', because, otherwise: 'default-unserved', where })
}

function askRevision(input: InjectionInput, revision: string, where: InjectionPlace): InjectionDecision {
  const ofNamespace = where.subject === 'namespace'
  return answerFor({
    served: (revision === 'default' && input.defaultTag === true) || input.revisions?.has(revision),
    revision,
    because: ofNamespace ? 'namespace-revision' : 'pod-revision',
    otherwise: ofNamespace ? 'namespace-revision-unserved' : 'pod-revision-unserved',
    where,
  })
}

function answerFor(asked: {
  readonly served: boolean | undefined
  readonly revision: string
  readonly because: InjectionReason
  readonly otherwise: InjectionReason
  readonly where: InjectionPlace
}): InjectionDecision {
  const { served, revision, because, otherwise, where } = asked
  if (served === undefined) return { outcome: 'unknown', because: 'revisions-unknown', where, revision, templates: [] }
  if (!served) return { ...refuse(otherwise, where), revision }
  return { outcome: 'injected', because, where, revision, templates: [] }
}

/** Returns what the injector's own policy makes of a pod for which the API server calls it. */
function judgePolicy(
  injector: InjectorPolicy,
  labels: ReadonlyMap<string, string>,
  asked: Asked | undefined,
  call: InjectionDecision,
): InjectionDecision {
  const { policy } = injector
  const where: InjectionPlace = { subject: 'injector', key: 'policy', value: policy }
  if (policy !== 'enabled' && policy !== 'disabled') return { ...call, ...refuse('policy-invalid', where) }
  if (asked?.value === 'true') return call
  const never = firstMatch(injector.neverInjectSelector, labels)
  if (never >= 0) {
    return { ...call, ...refuse('never-selector', { subject: 'injector', key: `neverInjectSelector[${never}]` }) }
  }
  if (policy === 'enabled') return call
  const always = firstMatch(injector.alwaysInjectSelector, labels)
  if (always < 0) return { ...call, ...refuse('policy-disabled', where) }
  return { ...call, because: 'always-selector', where: { subject: 'injector', key: `alwaysInjectSelector[${always}]` } }
}

/** Returns the index of the first selector that matches, or -1; the injector passes over empty and malformed ones. */
function firstMatch(selectors: readonly unknown[], labels: ReadonlyMap<string, string>): number {
  return selectors.findIndex(value => {
    const selector = parseSelector(value)
    return selector.ok && selector.value.length > 0 && matchesLabels(selector.value, labels)
  })
}

/**
 * Returns what ambient mode makes of a pod without proxy, or undefined where it has no say.
 *
 *     namespace   pod       injector's annotation   answer
 *     any         ambient   -                       ambient
 *     ambient     none      any                     not-injected
 *     ambient     other     -                       ambient
 *     ambient     other     set                     not-injected
 *     other       other     any                     undefined
 */
function decideAmbient(input: InjectionInput): InjectionDecision | undefined {
  const { namespaceLabels, labels, annotations } = input
  const ofNamespace = namespaceLabels?.get(dataplaneModeLabel) === 'ambient'
  const ofPod = labels.get(dataplaneModeLabel)
  const where: InjectionPlace = { subject: 'label', key: dataplaneModeLabel, value: ofPod ?? '' }
  if (ofPod !== 'ambient') {
    if (!ofNamespace) return undefined
    if (ofPod === 'none') return refuse('ambient-opt-out', where)
  }
  const status = annotations.get(statusAnnotation)
  if (status !== undefined) {
    return refuse('ambient-sidecar-status', { subject: 'annotation', key: statusAnnotation, value: status })
  }
  if (ofPod === 'ambient') return { outcome: 'ambient', because: 'ambient-pod', where, templates: [] }
  const place: InjectionPlace = { subject: 'namespace', key: dataplaneModeLabel, value: 'ambient' }
  return { outcome: 'ambient', because: 'ambient-namespace', where: place, templates: [] }
}

function refuse(because: InjectionReason, where: InjectionPlace): InjectionDecision {
  return { outcome: 'not-injected', because, where, templates: [] }
}
