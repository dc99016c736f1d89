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
  readonly ports: readonly PortFact[]
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
    readonly outboundTrafficPolicy: 'REGISTRY_ONLY' | 'ALLOW_ANY' | undefined
  }
}

/** The keys of `spec` that hold facts; each is read by at least one rule, which a test proves. */
export const factKeys = ['approvedHosts', 'egressGateways', 'ranges', 'identities', 'workloads', 'mesh'] as const

/** A key of `spec` that holds facts, besides `namespaces`, which every rule reads. */
export type FactKey = (typeof factKeys)[number]
