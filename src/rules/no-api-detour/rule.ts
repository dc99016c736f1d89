import { isRegistration } from '../../core/registration.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { bundleVersionAnnotation, isBelow, minimumVersions } from '../../istio/bundle.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import { meshGroups } from '../../istio/kinds.ts'
import { annotationsOf } from '../../istio/workload.ts'
import { isOutside } from './destination.ts'

type Message =
  | 'aggregated-group'
  | 'conversion-webhook'
  | 'unknown-fields'
  | 'routes-ignored'
  | 'definition-deleted'
  | 'registration-deleted'
  | 'outside-call'

type Judge = Tools<Message, Record<never, never>>

const definition = 'CustomResourceDefinition.apiextensions.k8s.io'
const apiService = 'APIService.apiregistration.k8s.io'
const webhooks = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'].map(
  kind => `${kind}.admissionregistration.k8s.io`,
)

/** Groups whose objects must reach etcd and Istio as they were judged: the mesh's and the guard's own. */
const guardedGroups: ReadonlySet<string> = new Set([...meshGroups, 'sallyport.dev'])

export default defineRule<Message, Record<never, never>>({
  id: 'no-api-detour',
  summary: 'Disallow definitions and servers that change Istio’s objects behind the guard, or call outside',
  risk: [
    'The guard judges what the API server shows it. A conversion webhook rewrites objects after that, a server',
    'registered for a group of Istio answers in the place of the API server, and a definition that is deleted takes',
    'all objects of its kind along. A definition of the Gateway API that is too old for Istio makes it ignore every',
    'route of the kind, silently. And a webhook with a URL makes the API server itself connect to the outside.',
  ].join(' '),
  team: [
    'A definition or a webhook came with a chart. Definitions of Istio and the Gateway API install as their releases',
    'ship them; a chart that brings its own copies can leave them out. A webhook outside the cluster is only warned',
    'of.',
  ].join(' '),
  judges: [definition, apiService, ...webhooks],
  reads: ['Service'],
  facts: ['mesh', 'ranges'],
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  phases: ['submitted', 'final'],
  classes: ['platform'],
  outsideLaw: false,
  params: {},
  messages: {
    'aggregated-group': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'every object of group {group} would be answered for by Service {value}, in the place of the API server',
      fix: 'remove spec.service, so that the API server serves the definitions itself',
      threats: ['apiservice/external', 'crd/istio'],
    },
    'conversion-webhook': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'a webhook rewrites every object of the kind between versions, after it was judged',
      fix: 'set spec.conversion.strategy to None, which Istio and the Gateway API use',
      threats: ['crd/istio'],
    },
    'unknown-fields': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'fields that no schema knows are kept, so what is judged and what is read may differ',
      fix: 'set spec.preserveUnknownFields to false',
      threats: ['crd/istio'],
    },
    'routes-ignored': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'below bundle version {minimum} Istio ignores every {kind}, and traffic goes where it would without',
      fix: 'take the definition of release {minimum} or newer, with its annotation gateway.networking.k8s.io/bundle-version',
      threats: ['crd/istio'],
    },
    'definition-deleted': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'every {kind} of the cluster is deleted with it, and no guard is asked about them',
      fix: 'keep it while objects of the kind are there; to take {product} away, remove what it wrote first',
      threats: ['crd/istio'],
    },
    'registration-deleted': {
      severity: 'critical',
      enforcementAction: 'warn',
      why: 'nobody is asked any more about what {value} was registered for, until it is applied again',
      fix: 'keep it; where it must go for a while, keep a copy (kubectl get -o yaml) and apply that afterwards',
      threats: ['webhookcfg/istio'],
    },
    'outside-call': {
      severity: 'low',
      enforcementAction: 'warn',
      why: 'the API server itself connects to {value}, past every proxy and gateway',
      fix: 'name a Service of the cluster, or see that the network of the API server is guarded otherwise',
      threats: ['apiservice/external'],
    },
  },
  check(subject, tools) {
    if (subject.subresource !== '') return
    if (subject.kind === definition) judgeDefinition(subject, tools)
    else if (subject.kind === apiService) {
      if (subject.operation !== 'DELETE') judgeService(subject, tools)
    } else if (subject.operation !== 'DELETE') judgeWebhooks(subject, tools)
    else if (isRegistration(subject.object, subject.ref.name)) {
      tools.report('registration-deleted', { path: ['metadata', 'name'], value: subject.ref.name })
    }
  },
})

function judgeDefinition(subject: Subject, tools: Judge): void {
  const { object, operation } = subject
  const spec = field(object, 'spec')
  const group = text(field(spec, 'group')) ?? ''
  const isGuarded = guardedGroups.has(group)
  if (operation === 'DELETE') {
    if (isGuarded) judgeDelete(subject, group, tools)
    return
  }
  // Of the first release of definitions, where the client configuration stood one level higher.
  const url = text(dig(spec, 'conversion', 'webhook', 'clientConfig', 'url'))
  const path = ['spec', 'conversion', 'webhook', 'clientConfig', 'url']
  const older = text(dig(spec, 'conversion', 'webhookClientConfig', 'url'))
  if (!isGuarded) {
    if (url !== undefined) judgeUrl(url, path, tools)
    else if (older !== undefined) judgeUrl(older, ['spec', 'conversion', 'webhookClientConfig', 'url'], tools)
    return
  }
  if (dig(spec, 'conversion', 'strategy') === 'Webhook') {
    tools.report('conversion-webhook', { path: ['spec', 'conversion', 'strategy'], value: 'Webhook' })
  }
  if (field(spec, 'preserveUnknownFields') === true) {
    tools.report('unknown-fields', { path: ['spec', 'preserveUnknownFields'], value: 'true' })
  }
  judgeVersion(subject, tools)
}

function judgeDelete({ object, ref }: Subject, group: string, tools: Judge): void {
  const kind = text(dig(object, 'spec', 'names', 'kind')) ?? ref.name
  const product = group === 'sallyport.dev' ? 'the guard' : 'Istio or the Gateway API'
  tools.report('definition-deleted', { path: ['metadata', 'name'], value: ref.name, slots: { kind, product } })
}

function judgeVersion({ object, ref }: Subject, tools: Judge): void {
  const minimum = minimumVersions.get(ref.name)
  if (minimum === undefined) return
  const version = annotationsOf(object).get(bundleVersionAnnotation)
  if (!isBelow(version, minimum.version)) return
  tools.report('routes-ignored', {
    path: version === undefined ? ['metadata'] : ['metadata', 'annotations', bundleVersionAnnotation],
    ...(version !== undefined && { value: version }),
    slots: { minimum: minimum.version.join('.'), kind: minimum.kind },
  })
}

function judgeService({ object }: Subject, tools: Judge): void {
  const group = text(dig(object, 'spec', 'group')) ?? ''
  const namespace = text(dig(object, 'spec', 'service', 'namespace'))
  const name = text(dig(object, 'spec', 'service', 'name'))
  // Without a Service the API server answers itself.
  if (namespace === undefined || name === undefined) return
  const path = ['spec', 'service', 'name']
  if (guardedGroups.has(group)) {
    tools.report('aggregated-group', { path, value: `${namespace}/${name}`, slots: { group } })
    return
  }
  const alias = dig(tools.inventory.find('Service', namespace, name), 'spec', 'externalName')
  if (typeof alias === 'string' && isOutside(alias, tools.facts)) tools.report('outside-call', { path, value: alias })
}

function judgeWebhooks({ object }: Subject, tools: Judge): void {
  for (const [i, webhook] of list(field(object, 'webhooks')).entries()) {
    const url = text(dig(webhook, 'clientConfig', 'url'))
    if (url !== undefined) judgeUrl(url, ['webhooks', i, 'clientConfig', 'url'], tools)
  }
}

function judgeUrl(url: string, path: readonly (string | number)[], tools: Judge): void {
  const parsed = URL.parse(url)
  if (parsed === null || isOutside(parsed.hostname, tools.facts)) tools.report('outside-call', { path, value: url })
}
