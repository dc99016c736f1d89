/**
 * Label that says in which network something lies, and on the root Namespace which is that of the whole cluster. Istio:
 * pilot/pkg/serviceregistry/kube/controller/network.go; pkg/kube/inject/inject.go (extractClusterAndNetwork).
 */
export const networkLabel = 'topology.istio.io/network'
