import { trimSpace } from './text.ts'

/** Kinds that have `exportTo`, a Service in its annotation `networking.istio.io/exportTo`. */
export type ExportingKind = 'Service' | 'ServiceEntry' | 'VirtualService' | 'DestinationRule'

/** To which namespaces an object is visible. */
export type Visibility =
  /** To every namespace. */
  | 'public'
  /** To none, not even the object's own. */
  | 'nobody'
  /** To none, and Istio's validation refuses the object for it. */
  | 'refused'
  /** To some. */
  | Exported

/** Namespaces by name, and whether `.` added the object's own. */
export type Exported = { readonly own: boolean; readonly namespaces: ReadonlySet<string> }

/**
 * Returns what an `exportTo` list means; `meshDefault` is the mesh's own list for the kind (`defaultServiceExportTo`
 * for Services and ServiceEntries, `defaultVirtualServiceExportTo`, `defaultDestinationRuleExportTo`). Entries are
 * taken literally: white space is part of a name. As istio.io/istio `pilot/pkg/model/push_context.go`
 * (`initServiceRegistry`, `initVirtualServices`, `setDestinationRules`) and `pkg/config/visibility`.
 *
 *     exportTo      ServiceEntry, Service   VirtualService, DestinationRule
 *     absent, []    mesh default            mesh default
 *     [*]           public                  public
 *     [.]           own namespace           own namespace
 *     [shop]        shop                    shop
 *     [., shop]     own namespace, shop     own namespace, shop
 *     [*, shop]     public                  public (Istio's validation refuses it)
 *     [~]           nobody                  refused
 *
 * An absent or empty mesh default is `[*]`. For DestinationRules Istio looks for a `.` in it, and only for that. A
 * DestinationRule with a workload selector is visible as one with `[.]`, whatever it says: that is the caller's.
 */
export function readExportTo(
  exportTo: readonly string[] | undefined,
  kind: ExportingKind,
  meshDefault: readonly string[] | undefined,
): Visibility {
  if (exportTo !== undefined && exportTo.length > 0) {
    if (exportTo.includes('~') && (kind === 'VirtualService' || kind === 'DestinationRule')) return 'refused'
    return readList(exportTo)
  }
  if (meshDefault === undefined || meshDefault.length === 0) return 'public'
  if (kind !== 'DestinationRule') return readList(meshDefault)
  return meshDefault.includes('.') ? readList(['.']) : 'public'
}

function readList(exportTo: readonly string[]): Visibility {
  if (exportTo.includes('*')) return 'public'
  if (exportTo.includes('~')) return 'nobody'
  return { own: exportTo.includes('.'), namespaces: new Set(exportTo.filter(entry => entry !== '.')) }
}

/**
 * Returns the `exportTo` list of a Service's annotation `networking.istio.io/exportTo`: split on commas, each item
 * trimmed; undefined where it is absent or empty. As istio.io/istio `pilot/pkg/serviceregistry/kube/conversion.go`,
 * `ConvertService`.
 */
export function exportToAnnotation(annotation: string | undefined): readonly string[] | undefined {
  return annotation === undefined || annotation === '' ? undefined : annotation.split(',').map(trimSpace)
}

/**
 * Returns true where an object of `ownerNamespace` is visible in `namespace`. `[.]` and the object's own namespace by
 * name are the same.
 */
export function visibleIn(visibility: Visibility, ownerNamespace: string, namespace: string): boolean {
  if (visibility === 'public') return true
  if (visibility === 'nobody' || visibility === 'refused') return false
  return visibility.namespaces.has(namespace) || (visibility.own && namespace === ownerNamespace)
}
