import { dig, type Fields, list } from '../istio/json.ts'
import { exportToAnnotation, readExportTo, type Visibility } from '../istio/visibility.ts'
import { annotationsOf } from '../istio/workload.ts'
import type { Facts } from './facts.ts'
import { type Inventory, namespaceLabels } from './inventory.ts'
import { defaultServiceExportTo } from './mesh.ts'

/** The annotation that is the `exportTo` of a Service. */
export const exportToKey = 'networking.istio.io/exportTo'

/** What who sees an object is read from. */
interface Sources {
  readonly facts: Facts
  readonly inventory: Inventory
}

/**
 * Returns true where a namespace under the policy sees a Service of a namespace outside it. A Service that is not known is
 * as one without the annotation. Istio: pilot/pkg/serviceregistry/kube/conversion.go (ConvertService) and
 * pilot/pkg/model/push_context.go (initServiceRegistry).
 *
 *     annotation    seen
 *     absent        yes, unless the mesh's own default says otherwise
 *     *             yes
 *     .             no
 *     ., shop       where shop is governed or of the platform
 */
export function isServiceSeen(service: Fields | undefined, sources: Sources): boolean {
  return isSeen(exportToAnnotation(annotationsOf(service).get(exportToKey)), 'Service', sources)
}

/** Returns true where a namespace under the policy sees a ServiceEntry of a namespace outside it. */
export function isEntrySeen(entry: Fields, sources: Sources): boolean {
  const exportTo = list(dig(entry, 'spec', 'exportTo')).filter(name => typeof name === 'string')
  return isSeen(exportTo, 'ServiceEntry', sources)
}

function isSeen(exportTo: readonly string[] | undefined, kind: 'Service' | 'ServiceEntry', sources: Sources): boolean {
  const { facts, inventory } = sources
  const isGiven = exportTo !== undefined && exportTo.length > 0
  const visibility: Visibility = readExportTo(
    exportTo,
    kind,
    isGiven ? undefined : defaultServiceExportTo(facts, inventory),
  )
  if (visibility === 'public') return true
  if (visibility === 'nobody' || visibility === 'refused') return false
  return [...visibility.namespaces].some(
    name => facts.namespaces.classOf(name, namespaceLabels(inventory, name)) !== 'notGoverned',
  )
}
