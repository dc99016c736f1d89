import { groupOfKind, type Kind } from '../../core/kind.ts'
import { isAccountOf } from '../../core/writer.ts'

/** Calico serves them in two groups: as they are stored, and by an API server of its own. */
const calicoKinds = [
  'FelixConfiguration',
  'GlobalNetworkPolicy',
  'GlobalNetworkSet',
  'HostEndpoint',
  'IPPool',
  'NetworkPolicy',
  'NetworkSet',
  'Profile',
  'Tier',
]

/**
 * Kinds by which networks are opened and closed beside NetworkPolicy, by group: of the admin tier of Kubernetes (SIG
 * Network, network-policy-api), Cilium, Calico, OVN-Kubernetes, OpenShift, Antrea and of hosted clusters (EKS, GKE); and
 * the kinds that install a mesh. What Sail's operator derives from an Istio (IstioRevision) is judged by content alone.
 */
const platformKinds: Readonly<Record<string, readonly string[]>> = {
  'policy.networking.k8s.io': ['AdminNetworkPolicy', 'BaselineAdminNetworkPolicy', 'ClusterNetworkPolicy'],
  'cilium.io': [
    'CiliumCIDRGroup',
    'CiliumClusterwideEnvoyConfig',
    'CiliumClusterwideNetworkPolicy',
    'CiliumEgressGatewayPolicy',
    'CiliumEnvoyConfig',
    'CiliumLocalRedirectPolicy',
    'CiliumNetworkPolicy',
    'CiliumNodeConfig',
  ],
  'crd.projectcalico.org': calicoKinds,
  'projectcalico.org': calicoKinds,
  'k8s.ovn.org': [
    'AdminPolicyBasedExternalRoute',
    'ClusterUserDefinedNetwork',
    'EgressFirewall',
    'EgressIP',
    'EgressService',
    'UserDefinedNetwork',
  ],
  'network.openshift.io': ['EgressNetworkPolicy', 'HostSubnet', 'NetNamespace'],
  'network.operator.openshift.io': ['EgressRouter'],
  'crd.antrea.io': [
    'ClusterGroup',
    'ClusterNetworkPolicy',
    'Egress',
    'Group',
    'NetworkPolicy',
    'Tier',
    'TrafficControl',
  ],
  'networking.k8s.aws': ['ApplicationNetworkPolicy', 'ClusterNetworkPolicy'],
  'networking.gke.io': ['EgressNATPolicy', 'FQDNNetworkPolicy'],
  'install.istio.io': ['IstioOperator'],
  'sailoperator.io': ['Istio', 'IstioCNI', 'IstioRevisionTag', 'ZTunnel'],
}

/** The groups of these kinds; a policy may name others of them. */
export const platformGroups: readonly string[] = Object.keys(platformKinds)

/** What only the platform writes, in whatever namespace, where a policy says nothing else. */
export const defaultKinds: readonly Kind[] = Object.entries(platformKinds).flatMap(([group, kinds]) =>
  kinds.map(kind => `${kind}.${group}`),
)

/** Namespaces in which the makers of a network plugin run it; `kube-system` besides. */
const homes: Readonly<Record<string, readonly string[]>> = {
  '*.cilium.io': ['cilium'],
  '*.crd.projectcalico.org': ['calico-apiserver', 'calico-system', 'tigera-operator'],
  '*.projectcalico.org': ['calico-apiserver', 'calico-system', 'tigera-operator'],
  '*.k8s.ovn.org': ['openshift-ovn-kubernetes', 'ovn-kubernetes'],
  '*.network.openshift.io': ['openshift-sdn'],
}

/** Whether the account is the plugin's own, which keeps copies of what others wrote. */
export function isPluginOf(kind: Kind, username: string): boolean {
  return isAccountOf(username, homes[groupOfKind(kind)] ?? [])
}
