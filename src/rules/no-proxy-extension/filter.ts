import { holdsFor, isGatewayRef, targetRefsOf } from '../../core/attachment.ts'
import { specDigest } from '../../core/exemption.ts'
import type { NamedGateways } from '../../core/facts.ts'
import { gatewayWorkloads, selectsEveryProxy } from '../../core/gatewaypods.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, stringMap, text } from '../../istio/json.ts'
import { istioGatewayKind } from '../../istio/kinds.ts'
import { type Labels, mapSelects } from '../../istio/selector.ts'
import { annotationsOf, labelsOf, podTemplateOf } from '../../istio/workload.ts'
import type { Judge } from './rule.ts'

/** Which templates of the injector a pod is made of; that of gateways is made for them alone. */
const templatesAnnotation = 'inject.istio.io/templates'

/** Label of the pods that istiod runs for a Gateway of the Gateway API. */
const managedLabel = 'gateway.networking.k8s.io/gateway-name'

/** Reports an object for what it is. Its digest is the value: another content is another breach. */
export function reportCode(message: 'envoy-filter' | 'traffic-extension', subject: Subject, tools: Judge): void {
  const digest = specDigest(subject.object)
  if (digest === undefined) tools.malformed(['spec'], 'is absent, or nested too deep to be judged', 'unread')
  const { namespace } = subject.ref
  const whose = namespace === tools.facts.mesh.rootNamespace ? 'the whole mesh' : `namespace "${namespace}"`
  const value = digest ?? ''
  const isPlatform = message === 'envoy-filter' && subject.namespaceClass === 'platform'
  const remedy = isPlatform ? 'have it select only gateways of spec.ingressGateways' : 'remove it'
  tools.report(message, { path: ['spec'], value, slots: { whose, digest: value, remedy } })
}

/** Judges an EnvoyFilter: one of the platform for gateways alone that are no egress gateways is its own affair. */
export function judgeFilter(subject: Subject, tools: Judge): void {
  const answer = subject.namespaceClass === 'platform' ? isForOtherGateways(subject, tools) : 'no'
  if (answer === 'no') reportCode('envoy-filter', subject, tools)
  else if (answer === 'unknown') {
    const fix = 'give spec.egressGateways and spec.ingressGateways in the policy, and their Gateways with --inventory'
    tools.notJudged(['spec'], 'whether it holds for gateways only, and no egress gateway among them', fix)
  }
}

function isForOtherGateways(subject: Subject, tools: Judge): 'yes' | 'no' | 'unknown' {
  const { object, ref } = subject
  const selector = dig(object, 'spec', 'workloadSelector', 'labels')
  const attached = { object, namespace: ref.namespace, selector }
  const gateways = tools.facts.egressGateways
  const answers = gateways?.map(gateway => holdsFor(attached, gateway, tools)) ?? ['unknown' as const]
  if (answers.includes('yes')) return 'no'
  const isOther =
    targetRefsOf(object).length > 0 ? namesGateways(subject, tools) : selects(subject, stringMap(selector), tools)
  return isOther === 'yes' && answers.includes('unknown') ? 'unknown' : isOther
}

/** Whether everything that it names is a Gateway, and none a waypoint by which traffic may leave. */
function namesGateways({ object, ref }: Subject, tools: Judge): 'yes' | 'no' {
  const isEgress = (name: string): boolean =>
    (tools.facts.waypoints ?? []).some(waypoint => waypoint.namespace === ref.namespace && waypoint.name === name)
  return targetRefsOf(object).every(target => isGatewayRef(target) && !isEgress(target.name)) ? 'yes' : 'no'
}

/** Whether its labels are at least those by which an Istio Gateway of the platform selects its pods. */
function selects({ ref }: Subject, selector: Labels, tools: Judge): 'yes' | 'no' | 'unknown' {
  const { ingressGateways = [], eastWestGateways = [], mesh } = tools.facts
  const named = [...ingressGateways, ...eastWestGateways]
  if (selectsEveryProxy(selector)) {
    const isGatewaysOwn = ref.namespace !== mesh.rootNamespace && named.some(known => known.namespace === ref.namespace)
    return isGatewaysOwn ? 'yes' : 'no'
  }
  const managed = selector.get(managedLabel)
  if (managed !== undefined) return isForEgress(managed, tools) ? 'no' : 'yes'
  const namespaces = new Set([ref.namespace, mesh.rootNamespace, ...named.map(({ namespace }) => namespace)])
  for (const namespace of namespaces) {
    if (runsGateway(selector, namespace, tools)) return 'yes'
    for (const gateway of tools.inventory.list(istioGatewayKind, namespace)) {
      if (named.length > 0 && !isNamed(named, namespace, text(dig(gateway, 'metadata', 'name')))) continue
      const selected = stringMap(dig(gateway, 'spec', 'selector'))
      if (!selectsEveryProxy(selected) && mapSelects(selected, selector)) return 'yes'
    }
  }
  return tools.inventory.knows(istioGatewayKind) ? 'no' : 'unknown'
}

/** Whether the pods of a workload that runs as a gateway bear the labels; its Gateways may all be those of tenants. */
function runsGateway(selector: Labels, namespace: string, { inventory }: Judge): boolean {
  return gatewayWorkloads.some(kind =>
    inventory.list(kind, namespace).some(workload => {
      const template = podTemplateOf(kind, workload)?.template
      return annotationsOf(template).get(templatesAnnotation) === 'gateway' && mapSelects(selector, labelsOf(template))
    }),
  )
}

/** Whether a Gateway of the Gateway API, of whatever namespace, is one by which traffic leaves. */
function isForEgress(name: string, { facts }: Judge): boolean {
  if ((facts.waypoints ?? []).some(waypoint => waypoint.name === name)) return true
  return (facts.egressGateways ?? []).some(gateway => gateway.gatewayApi.includes(name))
}

function isNamed(named: readonly NamedGateways[], namespace: string, name: string | undefined): boolean {
  return named.some(
    known =>
      known.namespace === namespace &&
      name !== undefined &&
      (known.gateways.includes(name) || known.gateways.includes('*')),
  )
}
