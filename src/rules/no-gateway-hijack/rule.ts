import type { EgressGateway } from '../../core/facts.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { requireMap } from '../../core/shape.ts'
import { dig, isFields, stringMap } from '../../istio/json.ts'
import { type Labels, mapSelects } from '../../istio/selector.ts'
import { annotationsOf, labelsOf, podTemplateOf } from '../../istio/workload.ts'

type Message = 'selects-egress-gateway' | 'no-selector' | 'internal-annotation'

type Judge = Tools<Message, Record<never, never>>

/** Kinds whose pods may be those of a gateway. */
const gatewayKinds = ['Deployment.apps', 'DaemonSet.apps', 'StatefulSet.apps', 'Pod']

export default defineRule<Message, Record<never, never>>({
  id: 'no-gateway-hijack',
  summary: 'Disallow Istio Gateways of tenants that configure the egress gateway',
  risk: [
    'An Istio Gateway applies to every pod whose labels its selector matches, in whatever namespace the pod is. A tenant’s',
    'Gateway that selects the egress gateway adds servers to it: hosts nobody approved, and routes of the tenant bound to',
    'them. A selector matches by any subset of the pods’ labels, and none at all matches every gateway; so do labels that',
    'Istio gives to every proxy.',
  ].join(' '),
  judges: ['Gateway.networking.istio.io'],
  reads: gatewayKinds,
  facts: ['egressGateways'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'selects-egress-gateway': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the selector matches the pods of egress gateway "{gateway}", so its servers would be added there',
      fix: 'define the Gateway in namespace {namespace}, where the platform does, or select a gateway of your own',
      threats: ['gw/selector-hijack'],
    },
    'no-selector': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{state} the Gateway applies to every gateway of the mesh, the egress gateways too',
      fix: 'set spec.selector to the labels of the gateway that is meant',
      threats: ['gw/no-selector'],
    },
    'internal-annotation': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'Istio keeps "{value}" for objects it generates; here it changes which gateways the object binds to',
      fix: 'remove the annotation',
      threats: ['gw/internal-annotation'],
    },
  },
  check(subject, tools) {
    for (const key of annotationsOf(subject.object).keys()) {
      if (key.startsWith('internal.istio.io/')) {
        tools.report('internal-annotation', { path: ['metadata', 'annotations', key], value: key })
      }
    }
    if (subject.namespaceClass !== 'platform') judgeSelector(subject, tools)
  },
})

/** Labels that Istio gives to proxies whatever they are, so that a selector of them tells no gateway from another. */
const everyProxy: ReadonlySet<string> = new Set([
  'istio.io/rev',
  'security.istio.io/tlsMode',
  'service.istio.io/canonical-revision',
  'sidecar.istio.io/inject',
  'topology.istio.io/cluster',
  'topology.istio.io/network',
  'topology.istio.io/subzone',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
])

/** Labels that only the running pod bears: what its template shows is not the whole truth about them. */
const addedLater: ReadonlySet<string> = new Set(['pod-template-hash', 'service.istio.io/canonical-name'])

function judgeSelector(subject: Subject, tools: Judge): void {
  if (!requireMap(subject, tools, ['spec', 'selector'])) return
  const given = dig(subject.object, 'spec', 'selector')
  const selector = stringMap(given)
  if ([...selector.keys()].every(key => everyProxy.has(key))) {
    const state = selector.size === 0 ? 'without a selector' : 'by labels that every proxy bears'
    const value = show(selector)
    tools.report('no-selector', { path: isFields(given) ? ['spec', 'selector'] : ['spec'], value, slots: { state } })
    return
  }
  const path = ['spec', 'selector']
  const gateways = tools.facts.egressGateways
  if (gateways === undefined) {
    tools.notJudged(path, 'which pods are egress gateways', 'give spec.egressGateways in the policy')
    return
  }
  for (const gateway of gateways.filter(candidate => candidate.namespace !== subject.ref.namespace)) {
    const answer = selects(selector, gateway, tools)
    const value = show(selector)
    if (answer === 'yes') {
      tools.report('selects-egress-gateway', {
        path,
        value,
        slots: { gateway: gateway.name, namespace: gateway.namespace },
      })
      return
    }
    if (answer === 'unknown') {
      const unknown = `whether the pods of egress gateway "${gateway.name}" bear ${value}`
      tools.notJudged(
        path,
        unknown,
        'give its Deployment with --inventory, or all its labels under spec.egressGateways',
      )
    }
  }
}

/** By key: exemptions name the value, and the order in which a selector is written means nothing. */
function show(selector: Labels): string {
  const parts = [...selector].map(([key, value]) => `${key}=${value}`)
  return parts.sort().join(',')
}

/**
 * Whether a selector matches the pods of a gateway: by the labels that the policy states, and by all the labels that its
 * workloads in the inventory give their pods. A label that contradicts a stated one settles it.
 */
function selects(selector: Labels, gateway: EgressGateway, tools: Judge): 'yes' | 'no' | 'unknown' {
  const telling = new Map([...selector].filter(([key]) => !everyProxy.has(key)))
  if (mapSelects(telling, gateway.podLabels)) return 'yes'
  for (const [key, value] of telling) {
    const stated = gateway.podLabels.get(key)
    if (stated !== undefined && stated !== value) return 'no'
  }
  const answers = workloadsOf(gateway, tools).map(({ labels, isPod }) => compare(telling, labels, isPod))
  if (answers.includes('yes')) return 'yes'
  return answers.length === 0 || answers.includes('unknown') ? 'unknown' : 'no'
}

function compare(selector: Labels, labels: Labels, isPod: boolean): 'yes' | 'no' | 'unknown' {
  const missing = [...selector].filter(([key, value]) => labels.get(key) !== value).map(([key]) => key)
  if (missing.length === 0) return 'yes'
  return !isPod && missing.every(key => addedLater.has(key) && !labels.has(key)) ? 'unknown' : 'no'
}

interface Workload {
  readonly labels: Labels
  readonly isPod: boolean
}

function workloadsOf(gateway: EgressGateway, tools: Judge): readonly Workload[] {
  return gatewayKinds
    .flatMap(kind =>
      tools.inventory.list(kind, gateway.namespace).map(object => ({
        labels: labelsOf(podTemplateOf(kind, object)?.template),
        isPod: kind === 'Pod',
      })),
    )
    .filter(({ labels }) => mapSelects(gateway.podLabels, labels))
}
