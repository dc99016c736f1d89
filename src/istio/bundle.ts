/** Annotation in which a CustomResourceDefinition of the Gateway API says of which release it is. */
export const bundleVersionAnnotation = 'gateway.networking.k8s.io/bundle-version'

/** A release as major, minor and patch. */
export type Release = readonly [major: number, minor: number, patch: number]

/** What Istio asks of a definition before it reads objects of its kind. */
export type MinimumVersion = { readonly kind: string; readonly version: Release }

/**
 * The releases of the Gateway API below which Istio ignores a kind, by the name of its definition; others are read in
 * any.
 *
 * Istio: pkg/config/schema/gatewayapi/minimumversions.go (MinimumCRDVersions). 1.29 has the second and the third only.
 */
export const minimumVersions: ReadonlyMap<string, MinimumVersion> = new Map<string, MinimumVersion>([
  ['backendtlspolicies.gateway.networking.k8s.io', { kind: 'BackendTLSPolicy', version: [1, 4, 0] }],
  ['grpcroutes.gateway.networking.k8s.io', { kind: 'GRPCRoute', version: [1, 1, 0] }],
  ['tcproutes.gateway.networking.k8s.io', { kind: 'TCPRoute', version: [1, 6, 0] }],
  ['tlsroutes.gateway.networking.k8s.io', { kind: 'TLSRoute', version: [1, 5, 0] }],
])

/**
 * Returns true where Istio ignores a definition that names such a release: none at all, one that is no version, or one
 * that is older than `minimum`. A pre-release counts as its release, a missing minor or patch as 0.
 *
 *     minimum 1.5.0   v1.5.0, 1.5, v1.5.0-rc.1, v2, v1.5.0+x   false
 *                     v1.4.9, v1.4.9-rc.1, "", main, absent    true
 *
 * Istio: pkg/kube/kclient/crdwatcher.go (minimumVersionFilter), which reads with github.com/Masterminds/semver.
 */
export function isBelow(version: string | undefined, minimum: Release): boolean {
  const match =
    version === undefined ? null : /^v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(?:[-+][0-9A-Za-z.+-]+)?$/.exec(version)
  if (match === null) return true
  for (const [i, least] of minimum.entries()) {
    const part = Number(match[i + 1] ?? 0)
    if (part !== least) return part < least
  }
  return false
}
