import type { ClassServes } from '../../core/gatewayapi.ts'
import { takenByLabels } from '../../core/gatewaypods.ts'
import { networkOfMesh } from '../../core/mesh.ts'
import type { Subject } from '../../core/rule.ts'
import { nameOverrideAnnotation } from '../../istio/gatewayapi.ts'
import { matchesImage } from '../../istio/image.ts'
import { dig, isFields, stringMap, text } from '../../istio/json.ts'
import { networkLabel } from '../../istio/network.ts'
import type { Judge } from './rule.ts'

const place = ['spec', 'infrastructure'] as const

/** Types of Services that a gateway is reached by. */
const serviceTypes: ReadonlySet<string> = new Set(['ClusterIP', 'NodePort', 'LoadBalancer'])

/**
 * Judges what a Gateway chooses for what istiod makes of it: labels and annotations of `spec.infrastructure`, where that
 * has none the Gateway's own; and annotations that only the Gateway's own are read of.
 *
 * Istio: pilot/pkg/config/kube/gatewaycommon/deploymentcontroller.go (configureIstioGateway,
 * extractInfrastructureMetadata); files/kube-gateway.yaml (proxyImage counts where it holds a slash).
 */
export function judgeInfrastructure(subject: Subject, serves: ClassServes, tools: Judge): void {
  const parameters = dig(subject.object, ...place, 'parametersRef')
  if (isFields(parameters)) {
    tools.report('gateway-parameters', {
      path: [...place, 'parametersRef', 'name'],
      value: text(dig(parameters, 'name')) ?? '',
    })
  }
  judgeLabels(subject, serves, tools)
  judgeImage(subject, tools)
  judgeOverrides(subject, tools)
}

function judgeLabels(subject: Subject, serves: ClassServes, tools: Judge): void {
  const given = dig(subject.object, ...place, 'labels')
  const path = isFields(given) ? [...place, 'labels'] : ['metadata', 'labels']
  const labels = stringMap(dig(subject.object, ...path))
  const network = labels.get(networkLabel)
  if (serves === 'gateway' && network && network !== networkOfMesh(tools)) {
    const slots = { what: `those of another network` }
    tools.report('gateway-labels', { path: [...path, networkLabel], value: `${networkLabel}=${network}`, slots })
  }
  for (const egress of tools.facts.egressGateways ?? []) {
    const taken = takenByLabels(egress, labels, tools.inventory)
    if (taken === undefined) continue
    const value = [...taken].map(([key, label]) => `${key}=${label}`).join(',')
    tools.report('gateway-labels', { path, value, slots: { what: `those of egress gateway "${egress.name}"` } })
    return
  }
}

/** The network of the mesh itself, by which also what is ordinary may be labelled. */
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
