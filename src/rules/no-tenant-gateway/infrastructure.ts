import type { Subject } from '../../core/rule.ts'
import { nameOverrideAnnotation } from '../../istio/gatewayapi.ts'
import { matchesImage } from '../../istio/image.ts'
import { dig, isFields, stringMap, text } from '../../istio/json.ts'
import { mapSelects } from '../../istio/selector.ts'
import type { Judge } from './rule.ts'

const place = ['spec', 'infrastructure'] as const

/** Types of Services that a gateway is reached by. */
const serviceTypes: ReadonlySet<string> = new Set(['ClusterIP', 'NodePort', 'LoadBalancer'])

const networkLabel = 'topology.istio.io/network'

/**
 * Judges what a Gateway chooses for what istiod makes of it: labels and annotations of `spec.infrastructure`, where that
 * has none the Gateway's own; and annotations that only the Gateway's own are read of.
 *
 * Istio: pilot/pkg/config/kube/gatewaycommon/deploymentcontroller.go (configureIstioGateway,
 * extractInfrastructureMetadata); files/kube-gateway.yaml (proxyImage counts where it holds a slash).
 */
export function judgeInfrastructure(subject: Subject, tools: Judge): void {
  const parameters = dig(subject.object, ...place, 'parametersRef')
  if (isFields(parameters)) {
    tools.report('gateway-parameters', {
      path: [...place, 'parametersRef', 'name'],
      value: text(dig(parameters, 'name')) ?? '',
    })
  }
  judgeLabels(subject, tools)
  judgeImage(subject, tools)
  judgeOverrides(subject, tools)
}

function judgeLabels(subject: Subject, tools: Judge): void {
  const given = dig(subject.object, ...place, 'labels')
  const path = isFields(given) ? [...place, 'labels'] : ['metadata', 'labels']
  const labels = stringMap(dig(subject.object, ...path))
  const network = labels.get(networkLabel)
  if (network) {
    const slots = { what: `those of another network` }
    tools.report('gateway-labels', { path: [...path, networkLabel], value: `${networkLabel}=${network}`, slots })
  }
  const egress = tools.facts.egressGateways?.find(
    ({ podLabels }) => podLabels.size > 0 && mapSelects(podLabels, labels),
  )
  if (egress === undefined) return
  const value = [...egress.podLabels].map(([key, label]) => `${key}=${label}`).join(',')
  tools.report('gateway-labels', { path, value, slots: { what: `those of egress gateway "${egress.name}"` } })
}

const imageAnnotation = 'sidecar.istio.io/proxyImage'

function judgeImage(subject: Subject, tools: Judge): void {
  for (const path of [
    ['metadata', 'annotations', imageAnnotation],
    [...place, 'annotations', imageAnnotation],
  ]) {
    const image = text(dig(subject.object, ...path))
    if (!image?.includes('/')) continue
    if (tools.facts.mesh.proxyImages?.some(name => matchesImage(name, image)) === true) continue
    tools.report('gateway-image', { path, value: image })
  }
}

function judgeOverrides(subject: Subject, tools: Judge): void {
  const at = (key: string): readonly string[] => ['metadata', 'annotations', key]
  const type = at('networking.istio.io/service-type')
  const value = text(dig(subject.object, ...type))
  if (value !== undefined && !serviceTypes.has(value)) tools.report('gateway-service', { path: type, value })
  for (const path of [at(nameOverrideAnnotation), at('gateway.istio.io/service-account')]) {
    const name = text(dig(subject.object, ...path))
    if (name) tools.report('gateway-name', { path, value: name })
  }
}
