import { networkOfMesh } from '../../core/mesh.ts'
import type { Subject } from '../../core/rule.ts'
import { exportToKey } from '../../core/sight.ts'
import { type Fields, field, list } from '../../istio/json.ts'
import { networkLabel } from '../../istio/network.ts'
import { exportToAnnotation, readExportTo, visibleIn } from '../../istio/visibility.ts'
import { annotationsOf, labelsOf } from '../../istio/workload.ts'
import type { Judge } from './rule.ts'

/** Judges how a Service that is not the platform’s is seen by Istio: as the gateway of a network, and by whom. */
export function judgeNetwork(subject: Subject, tools: Judge): void {
  if (subject.namespaceClass === 'platform') return
  judgeGateway(subject, tools)
  if (subject.namespaceClass === 'notGoverned') return
  const given = exportToAnnotation(annotationsOf(subject.object).get(exportToKey))
  if (given === undefined) return
  const visibility = readExportTo(given, 'Service', undefined)
  if (visibleIn(visibility, subject.ref.namespace, subject.ref.namespace)) return
  tools.report('hidden-at-home', { path: ['metadata', 'annotations', exportToKey], value: given.join(',') })
}

/**
 * A Service with the label of a network and an address outside is a gateway of that network. Without such an address the
 * label does nothing yet, and gateways that istiod makes bear that of the mesh. `networking.istio.io/gatewayPort` and
 * `traffic.istio.io/nodeSelector` only say more about the gateway of a network. Istio:
 * pilot/pkg/serviceregistry/kube/controller/network.go (getGatewayDetails, extractGatewaysInner).
 */
function judgeGateway({ object, ref }: Subject, tools: Judge): void {
  const network = labelsOf(object).get(networkLabel) ?? ''
  if (network === '') return
  if (tools.facts.eastWestGateways?.some(({ namespace }) => namespace === ref.namespace)) return
  const own = networkOfMesh(tools)
  if (network === own && !mayHaveAddress(object)) return
  tools.report('network-gateway', { path: ['metadata', 'labels', networkLabel], value: network })
}

/** Where Istio finds addresses of a Service outside: serviceregistry/kube/conversion.go (ConvertService). */
function mayHaveAddress(service: Fields): boolean {
  const spec = field(service, 'spec')
  const type = field(spec, 'type')
  return type === 'LoadBalancer' || type === 'NodePort' || list(field(spec, 'externalIPs')).length > 0
}
