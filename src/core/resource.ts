import { type Kind, kindOf } from './kind.ts'

/** How the API server names a kind in its paths, in roles and in webhook configurations. */
export interface Resource {
  readonly group: string
  readonly plural: string
}

/** Calico serves its kinds in two groups: as they are stored, and by an API server of its own. */
const calico: Readonly<Record<string, string>> = {
  FelixConfiguration: 'felixconfigurations',
  GlobalNetworkPolicy: 'globalnetworkpolicies',
  GlobalNetworkSet: 'globalnetworksets',
  HostEndpoint: 'hostendpoints',
  IPPool: 'ippools',
  NetworkPolicy: 'networkpolicies',
  NetworkSet: 'networksets',
  Profile: 'profiles',
  Tier: 'tiers',
}

/**
 * Plurals by group and kind. Written out rather than guessed: a role or a webhook entry with a wrong plural is accepted
 * and does nothing.
 */
const plurals: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '': {
    ConfigMap: 'configmaps',
    Endpoints: 'endpoints',
    Namespace: 'namespaces',
    Pod: 'pods',
    PodTemplate: 'podtemplates',
    ReplicationController: 'replicationcontrollers',
    Secret: 'secrets',
    Service: 'services',
  },
  'admissionregistration.k8s.io': {
    MutatingAdmissionPolicy: 'mutatingadmissionpolicies',
    MutatingAdmissionPolicyBinding: 'mutatingadmissionpolicybindings',
    MutatingWebhookConfiguration: 'mutatingwebhookconfigurations',
    ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
    ValidatingAdmissionPolicyBinding: 'validatingadmissionpolicybindings',
    ValidatingWebhookConfiguration: 'validatingwebhookconfigurations',
  },
  'apiextensions.k8s.io': { CustomResourceDefinition: 'customresourcedefinitions' },
  'apiregistration.k8s.io': { APIService: 'apiservices' },
  apps: {
    DaemonSet: 'daemonsets',
    Deployment: 'deployments',
    ReplicaSet: 'replicasets',
    StatefulSet: 'statefulsets',
  },
  'apps.openshift.io': { DeploymentConfig: 'deploymentconfigs' },
  'argoproj.io': { Rollout: 'rollouts' },
  batch: { CronJob: 'cronjobs', Job: 'jobs' },
  'certificates.k8s.io': { ClusterTrustBundle: 'clustertrustbundles' },
  'cilium.io': {
    CiliumCIDRGroup: 'ciliumcidrgroups',
    CiliumClusterwideEnvoyConfig: 'ciliumclusterwideenvoyconfigs',
    CiliumClusterwideNetworkPolicy: 'ciliumclusterwidenetworkpolicies',
    CiliumEgressGatewayPolicy: 'ciliumegressgatewaypolicies',
    CiliumEnvoyConfig: 'ciliumenvoyconfigs',
    CiliumLocalRedirectPolicy: 'ciliumlocalredirectpolicies',
    CiliumNetworkPolicy: 'ciliumnetworkpolicies',
    CiliumNodeConfig: 'ciliumnodeconfigs',
  },
  'coordination.k8s.io': { Lease: 'leases' },
  'crd.antrea.io': {
    ClusterGroup: 'clustergroups',
    ClusterNetworkPolicy: 'clusternetworkpolicies',
    Egress: 'egresses',
    Group: 'groups',
    NetworkPolicy: 'networkpolicies',
    Tier: 'tiers',
    TrafficControl: 'trafficcontrols',
  },
  'crd.projectcalico.org': calico,
  'discovery.k8s.io': { EndpointSlice: 'endpointslices' },
  'extensions.istio.io': { TrafficExtension: 'trafficextensions', WasmPlugin: 'wasmplugins' },
  'gateway.networking.k8s.io': {
    BackendTLSPolicy: 'backendtlspolicies',
    Gateway: 'gateways',
    GatewayClass: 'gatewayclasses',
    GRPCRoute: 'grpcroutes',
    HTTPRoute: 'httproutes',
    ListenerSet: 'listenersets',
    ReferenceGrant: 'referencegrants',
    TCPRoute: 'tcproutes',
    TLSRoute: 'tlsroutes',
    UDPRoute: 'udproutes',
  },
  'gateway.networking.x-k8s.io': {
    XBackend: 'xbackends',
    XBackendTrafficPolicy: 'xbackendtrafficpolicies',
    XListenerSet: 'xlistenersets',
  },
  'install.istio.io': { IstioOperator: 'istiooperators' },
  'k8s.cni.cncf.io': { NetworkAttachmentDefinition: 'network-attachment-definitions' },
  'k8s.ovn.org': {
    AdminPolicyBasedExternalRoute: 'adminpolicybasedexternalroutes',
    ClusterUserDefinedNetwork: 'clusteruserdefinednetworks',
    EgressFirewall: 'egressfirewalls',
    EgressIP: 'egressips',
    EgressService: 'egressservices',
    UserDefinedNetwork: 'userdefinednetworks',
  },
  'kubevirt.io': { VirtualMachine: 'virtualmachines' },
  'multicluster.x-k8s.io': { ServiceImport: 'serviceimports' },
  'network.openshift.io': {
    EgressNetworkPolicy: 'egressnetworkpolicies',
    HostSubnet: 'hostsubnets',
    NetNamespace: 'netnamespaces',
  },
  'network.operator.openshift.io': {
    EgressRouter: 'egressrouters',
  },
  'networking.gke.io': {
    EgressNATPolicy: 'egressnatpolicies',
    FQDNNetworkPolicy: 'fqdnnetworkpolicies',
  },
  'networking.istio.io': {
    DestinationRule: 'destinationrules',
    EnvoyFilter: 'envoyfilters',
    Gateway: 'gateways',
    ProxyConfig: 'proxyconfigs',
    ServiceEntry: 'serviceentries',
    Sidecar: 'sidecars',
    VirtualService: 'virtualservices',
    WorkloadEntry: 'workloadentries',
    WorkloadGroup: 'workloadgroups',
  },
  'networking.k8s.aws': {
    ApplicationNetworkPolicy: 'applicationnetworkpolicies',
    ClusterNetworkPolicy: 'clusternetworkpolicies',
  },
  'networking.k8s.io': { Ingress: 'ingresses', NetworkPolicy: 'networkpolicies' },
  'policy.networking.k8s.io': {
    AdminNetworkPolicy: 'adminnetworkpolicies',
    BaselineAdminNetworkPolicy: 'baselineadminnetworkpolicies',
    ClusterNetworkPolicy: 'clusternetworkpolicies',
  },
  'projectcalico.org': calico,
  'rbac.authorization.k8s.io': {
    ClusterRole: 'clusterroles',
    ClusterRoleBinding: 'clusterrolebindings',
    Role: 'roles',
    RoleBinding: 'rolebindings',
  },
  'sailoperator.io': {
    Istio: 'istios',
    IstioCNI: 'istiocnis',
    IstioRevision: 'istiorevisions',
    IstioRevisionTag: 'istiorevisiontags',
    ZTunnel: 'ztunnels',
  },
  'sallyport.dev': {
    ApprovedHosts: 'approvedhosts',
    EgressExemptions: 'egressexemptions',
    EgressPolicy: 'egresspolicies',
  },
  'security.istio.io': {
    AuthorizationPolicy: 'authorizationpolicies',
    PeerAuthentication: 'peerauthentications',
    RequestAuthentication: 'requestauthentications',
  },
  'serving.knative.dev': { Configuration: 'configurations', Revision: 'revisions', Service: 'services' },
  'telemetry.istio.io': { Telemetry: 'telemetries' },
}

const resources: ReadonlyMap<Kind, Resource> = new Map(
  Object.entries(plurals).flatMap(([group, kinds]) =>
    Object.entries(kinds).map(([kind, plural]) => [kindOf(group, kind), { group, plural }] as const),
  ),
)

/** Returns the resource of a kind, or undefined for whole groups and for what no path names, such as PodExecOptions. */
export function resourceOf(kind: Kind): Resource | undefined {
  return resources.get(kind)
}
