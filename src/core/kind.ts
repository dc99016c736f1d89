import { dig, text } from '../istio/json.ts'

/**
 * A Kubernetes kind with its group inside and without its version: `Pod`, `Deployment.apps`,
 * `Gateway.networking.istio.io`. Istio's `Gateway` and the Gateway API's are two kinds.
 */
export type Kind = string

/** Names an object: `group` is empty for the core group, `namespace` is empty for cluster-scoped objects. */
export interface ObjectRef {
  readonly group: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/** Kinds whose bare name two groups share; their group is shown to people. */
const shared: ReadonlySet<string> = new Set(['Gateway', 'Service'])

/** Returns the kind of a group and a kind name. */
export function kindOf(group: string, kind: string): Kind {
  return group === '' ? kind : `${kind}.${group}`
}

/** Returns how a rule says that it judges every kind of a kind's group: `Gateway.networking.istio.io` → `*.networking.istio.io`. */
export function groupOfKind(kind: Kind): Kind {
  const dot = kind.indexOf('.')
  return dot < 0 ? '*' : `*${kind.slice(dot)}`
}

/** Returns the group of an `apiVersion`: `networking.istio.io/v1` → `networking.istio.io`, `v1` → empty. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? '' : apiVersion.slice(0, slash)
}

/** Returns the ref of an object by what it says of itself; missing parts are empty. */
export function refOf(object: unknown): ObjectRef {
  return {
    group: groupOf(text(dig(object, 'apiVersion')) ?? ''),
    kind: text(dig(object, 'kind')) ?? '',
    namespace: text(dig(object, 'metadata', 'namespace')) ?? '',
    name: text(dig(object, 'metadata', 'name')) ?? '',
  }
}

/**
 * Returns the ref as people read it: `ServiceEntry shop/stripe`; where two groups share the kind, the group is shown
 * too: `Gateway.networking.istio.io shop/web`. A name that is not yet generated shows as `(generated)`.
 */
export function formatRef(ref: ObjectRef): string {
  const kind = shared.has(ref.kind) ? kindOf(ref.group, ref.kind) : ref.kind
  const name = ref.name === '' ? '(generated)' : ref.name
  return ref.namespace === '' ? `${kind} ${name}` : `${kind} ${ref.namespace}/${name}`
}

/** Kinds without a namespace that a mesh's manifests hold. */
const clusterScoped: ReadonlySet<Kind> = new Set([
  'Namespace',
  'Node',
  'PersistentVolume',
  'APIService.apiregistration.k8s.io',
  'ClusterRole.rbac.authorization.k8s.io',
  'ClusterRoleBinding.rbac.authorization.k8s.io',
  'ClusterTrustBundle.certificates.k8s.io',
  'CertificateSigningRequest.certificates.k8s.io',
  'CSIDriver.storage.k8s.io',
  'CustomResourceDefinition.apiextensions.k8s.io',
  'GatewayClass.gateway.networking.k8s.io',
  'IngressClass.networking.k8s.io',
  'Istio.sailoperator.io',
  'IstioCNI.sailoperator.io',
  'IstioRevision.sailoperator.io',
  'IstioRevisionTag.sailoperator.io',
  'ZTunnel.sailoperator.io',
  'MutatingAdmissionPolicy.admissionregistration.k8s.io',
  'MutatingAdmissionPolicyBinding.admissionregistration.k8s.io',
  'MutatingWebhookConfiguration.admissionregistration.k8s.io',
  'PriorityClass.scheduling.k8s.io',
  'RuntimeClass.node.k8s.io',
  'StorageClass.storage.k8s.io',
  'ValidatingAdmissionPolicy.admissionregistration.k8s.io',
  'ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io',
  'ValidatingWebhookConfiguration.admissionregistration.k8s.io',
  'ClusterIssuer.cert-manager.io',
  'AdminNetworkPolicy.policy.networking.k8s.io',
  'BaselineAdminNetworkPolicy.policy.networking.k8s.io',
  'ClusterNetworkPolicy.policy.networking.k8s.io',
  'ClusterNetworkPolicy.networking.k8s.aws',
  'EgressNATPolicy.networking.gke.io',
  'AdminPolicyBasedExternalRoute.k8s.ovn.org',
  'ClusterUserDefinedNetwork.k8s.ovn.org',
  'EgressIP.k8s.ovn.org',
  'CiliumCIDRGroup.cilium.io',
  'CiliumClusterwideEnvoyConfig.cilium.io',
  'CiliumClusterwideNetworkPolicy.cilium.io',
  'CiliumEgressGatewayPolicy.cilium.io',
  'ClusterGroup.crd.antrea.io',
  'ClusterNetworkPolicy.crd.antrea.io',
  'Egress.crd.antrea.io',
  'Tier.crd.antrea.io',
  'TrafficControl.crd.antrea.io',
  ...['crd.projectcalico.org', 'projectcalico.org'].flatMap(group =>
    ['FelixConfiguration', 'GlobalNetworkPolicy', 'GlobalNetworkSet', 'HostEndpoint', 'IPPool', 'Profile', 'Tier'].map(
      kind => `${kind}.${group}`,
    ),
  ),
  'HostSubnet.network.openshift.io',
  'NetNamespace.network.openshift.io',
  'EgressPolicy.sallyport.dev',
  'ApprovedHosts.sallyport.dev',
  'EgressExemptions.sallyport.dev',
])

/** Returns false for the kinds that Kubernetes and the mesh's operators keep without a namespace. */
export function isNamespaced(kind: Kind): boolean {
  return !clusterScoped.has(kind)
}
