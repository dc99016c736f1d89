import { gatewayWorkloads, selectsEveryProxy, selectsGateway } from '../../core/gatewaypods.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { requireMap } from '../../core/shape.ts'
import { dig, isFields, stringMap } from '../../istio/json.ts'
import type { Labels } from '../../istio/selector.ts'

type Message = 'selects-egress-gateway' | 'no-selector'

type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'no-gateway-hijack',
  summary: 'Disallow Istio Gateways of tenants that configure the egress gateway',
  risk: [
    'An Istio Gateway applies to every pod whose labels its selector matches, in whatever namespace the pod is. A tenant’s',
    'Gateway that selects the egress gateway adds servers to it: hosts nobody approved, and routes of the tenant bound to',
    'them. A selector matches by any subset of the pods’ labels, and none at all matches every gateway; so do labels that',
    'Istio gives to every proxy.',
  ].join(' '),
  team: [
    'A Gateway was copied with `istio: egressgateway`, or with no selector. For what comes in select the ingress',
    'gateway; for what goes out ask the platform to approve the host.',
  ].join(' '),
  judges: ['Gateway.networking.istio.io'],
  reads: gatewayWorkloads,
  facts: ['egressGateways'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'notGoverned'],
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
  },
  check: judgeSelector,
})

function judgeSelector(subject: Subject, tools: Judge): void {
  if (!requireMap(subject, tools, ['spec', 'selector'])) return
  const given = dig(subject.object, 'spec', 'selector')
  const selector = stringMap(given)
  if (selectsEveryProxy(selector)) {
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
    const answer = selectsGateway(selector, gateway, tools.inventory)
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
