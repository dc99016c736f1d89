import type { Ranges } from '../istio/cidr.ts'
import type { Protocol } from '../istio/protocol.ts'
import type { Requester } from './review.ts'

/** What a namespace is to the policy. */
export type NamespaceClass =
  /** Of those who run the mesh. */
  | 'platform'
  /** Outside the policy. */
  | 'notGoverned'
  /** Under the policy. */
  | 'governed'

/** Labels of a namespace, or undefined where its object is not known. */
export type NamespaceLabels = ReadonlyMap<string, string> | undefined

/** A port with its protocol, as an approval or a gateway names it. */
export interface PortFact {
  readonly number: number
  readonly protocol: Protocol
}

/** One approved external host. Host, ports and namespaces belong together: they never mix with another approval's. */
export interface Approval {
  /** Canonical, maybe a wildcard. */
  readonly host: string
  readonly ports: readonly PortFact[]
  /** Fixed addresses the host may be given in a ServiceEntry; undefined: none. */
  readonly addresses: Ranges | undefined
  /** Whether the namespace may use the host. */
  allows(namespace: string): boolean
  /** The namespaces as written, for messages; undefined: every governed namespace. */
  readonly namespaces: readonly string[] | undefined
  /** Name of the egress gateway the traffic must take; undefined: any of the policy's. */
  readonly gateway: string | undefined
  readonly owner: string | undefined
  readonly ticket: string | undefined
  /** Milliseconds since the epoch, the first moment it no longer holds; undefined: never. */
  readonly expires: number | undefined
  readonly expiresText: string | undefined
}

/** The approved hosts of all documents together. */
export interface ApprovedHosts {
  /** How many approvals there are. */
  readonly size: number
  /** Returns the approvals whose host covers the canonical `host` (itself maybe a wildcard), the most specific first. */
  covering(host: string): readonly Approval[]
  /** Returns the approvals that a canonical wildcard covers, as `*.com` covers `api.example.com`; in no order. */
  below(wildcard: string): Iterable<Approval>
}

/** A workload that traffic must leave by. */
export interface EgressGateway {
  readonly name: string
  readonly namespace: string
  /** Name of the Service before its pods. */
  readonly service: string
  readonly podLabels: ReadonlyMap<string, string>
  /** Names of the Istio Gateways (in its namespace) that configure it. */
  readonly gateways: readonly string[]
  /** Names of the Gateways of the Gateway API (in its namespace) that configure it. */
  readonly gatewayApi: readonly string[]
  /** The service account of its pods, where the policy says it. */
  readonly serviceAccount: string | undefined
  readonly ports: readonly PortFact[]
}

/** A waypoint by which the traffic of ambient namespaces may leave: a Gateway of the Gateway API. */
export interface Waypoint {
  readonly name: string
  readonly namespace: string
  /** Whether the namespace may choose it. */
  serves(namespace: string): boolean
}

/** Gateways of one namespace that others may use, or that do what only they may. */
export interface NamedGateways {
  readonly namespace: string
  /** Names of Istio Gateways and Gateways of the Gateway API; an explicit `*` is all of the namespace. */
  readonly gateways: readonly string[]
  /** Whether routes of the namespace may bind to them. */
  serves(namespace: string): boolean
}

/** A name of the mesh itself, a database or a virtual machine, that a ServiceEntry may give addresses. */
export interface InternalHost {
  /** Canonical, maybe a wildcard. */
  readonly host: string
  /** Where its endpoints must lie. */
  readonly addresses: Ranges
}

/** What proxies hand data of requests to, as `extensionProviders` of the mesh configuration name it. */
export interface Provider {
  readonly name: string
  /** The host it is reached at, canonical; undefined: whatever the mesh configuration says. */
  readonly service: string | undefined
}

/** A workload the policy lets deviate: a service account of a namespace. */
export interface WorkloadFact {
  readonly namespace: string
  /** Exact names, or an explicit `*`. */
  readonly serviceAccounts: readonly string[]
}

/** What the policy says the organisation is. Undefined means that the policy is silent, which is not the same as empty. */
export interface Facts {
  readonly approvedHosts: ApprovedHosts
  readonly egressGateways: readonly EgressGateway[] | undefined
  readonly waypoints: readonly Waypoint[] | undefined
  /** Gateways for what comes in, to which namespaces of others may bind routes. */
  readonly ingressGateways: readonly NamedGateways[] | undefined
  /** Gateways between the clusters of the mesh, which alone may pass traffic on by its SNI. */
  readonly eastWestGateways: readonly NamedGateways[] | undefined
  readonly internalHosts: {
    /** Returns the internal hosts that cover the canonical `host`, the most specific first. */
    covering(host: string): readonly InternalHost[]
    /** The addresses of all of them together. */
    readonly addresses: Ranges
  }
  /** Origins (`https://login.example.com`) that tokens may be checked against, outside or in the cluster. */
  readonly identityProviders: readonly string[] | undefined
  readonly telemetryProviders: readonly Provider[] | undefined
  /** External authorizers (ext_authz). */
  readonly authorizers: readonly Provider[] | undefined
  /** Addresses that pods may ask for names, besides the cluster's own. */
  readonly nameservers: Ranges | undefined
  /** Where modules for proxies may come from: names as `matchesImage` reads them, without a scheme. */
  readonly wasmModules: readonly string[] | undefined
  readonly namespaces: {
    /** Returns the class by exact name, then pattern, then label selector; governed where nothing says otherwise. */
    classOf(name: string, labels: NamespaceLabels): NamespaceClass
  }
  readonly ranges: {
    readonly pods: Ranges | undefined
    readonly services: Ranges | undefined
    readonly virtualMachines: Ranges | undefined
  }
  readonly identities: {
    /** Undefined: the policy does not say who the platform is. */
    readonly platform: ((requester: Requester) => boolean) | undefined
    /** Controllers that write for others, such as istiod; undefined: only those that Istio itself installs. */
    readonly controllers: ((requester: Requester) => boolean) | undefined
  }
  readonly workloads: {
    readonly mayOptOut: readonly WorkloadFact[]
    readonly mayUseHostNetwork: readonly WorkloadFact[]
    readonly mayHavePrivileges: readonly WorkloadFact[]
  }
  readonly mesh: {
    readonly rootNamespace: string
    readonly clusterDomain: string
    /** Revisions and tags whose injector the organisation runs. */
    readonly revisions: readonly string[] | undefined
    /** Images of the proxy and its init containers, as `matchesImage` reads their names. */
    readonly proxyImages: readonly string[] | undefined
    /** Namespaces whose pods istio-cni passes by. */
    readonly cniExcludedNamespaces: readonly string[] | undefined
    readonly outboundTrafficPolicy: 'REGISTRY_ONLY' | 'ALLOW_ANY' | undefined
  }
}

/** The keys of `spec` that hold facts; each is read by at least one rule, which a test proves. */
export const factKeys = [
  'approvedHosts',
  'egressGateways',
  'waypoints',
  'ingressGateways',
  'eastWestGateways',
  'internalHosts',
  'identityProviders',
  'telemetryProviders',
  'authorizers',
  'nameservers',
  'wasmModules',
  'ranges',
  'identities',
  'workloads',
  'mesh',
] as const

/** A key of `spec` that holds facts, besides `namespaces`, which every rule reads. */
export type FactKey = (typeof factKeys)[number]
