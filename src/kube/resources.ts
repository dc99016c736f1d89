import type { Kind } from '../core/kind.ts'
import type { Mutation } from '../core/mutation.ts'
import { ownerKinds } from '../core/owner.ts'
import type { RuleMetadata } from '../core/rule.ts'

/** The names of kinds in URLs and in RBAC. */
const plurals: Readonly<Record<Kind, string>> = {
  'AuthorizationPolicy.security.istio.io': 'authorizationpolicies',
  'ClusterRole.rbac.authorization.k8s.io': 'clusterroles',
  ConfigMap: 'configmaps',
  'CronJob.batch': 'cronjobs',
  'DaemonSet.apps': 'daemonsets',
  'Deployment.apps': 'deployments',
  'GRPCRoute.gateway.networking.k8s.io': 'grpcroutes',
  'Gateway.gateway.networking.k8s.io': 'gateways',
  'Gateway.networking.istio.io': 'gateways',
  'GatewayClass.gateway.networking.k8s.io': 'gatewayclasses',
  'HTTPRoute.gateway.networking.k8s.io': 'httproutes',
  'Job.batch': 'jobs',
  'ListenerSet.gateway.networking.k8s.io': 'listenersets',
  'MutatingWebhookConfiguration.admissionregistration.k8s.io': 'mutatingwebhookconfigurations',
  Namespace: 'namespaces',
  'NetworkPolicy.networking.k8s.io': 'networkpolicies',
  'PeerAuthentication.security.istio.io': 'peerauthentications',
  Pod: 'pods',
  'ProxyConfig.networking.istio.io': 'proxyconfigs',
  'ReplicaSet.apps': 'replicasets',
  ReplicationController: 'replicationcontrollers',
  'Role.rbac.authorization.k8s.io': 'roles',
  Service: 'services',
  'ServiceEntry.networking.istio.io': 'serviceentries',
  'Sidecar.networking.istio.io': 'sidecars',
  'StatefulSet.apps': 'statefulsets',
  'TCPRoute.gateway.networking.k8s.io': 'tcproutes',
  'TLSRoute.gateway.networking.k8s.io': 'tlsroutes',
  'VirtualService.networking.istio.io': 'virtualservices',
  'WorkloadEntry.networking.istio.io': 'workloadentries',
  'WorkloadGroup.networking.istio.io': 'workloadgroups',
  'XListenerSet.gateway.networking.x-k8s.io': 'xlistenersets',
}

/**
 * Returns the kinds that an inventory has to hold, sorted: what rules and mutations read, the Namespaces by which everything
 * is classed, and the owners by which an exemption of a workload reaches its pods.
 */
export function kindsHeld(
  rules: readonly Pick<RuleMetadata, 'reads'>[],
  mutations: readonly Pick<Mutation, 'reads'>[],
): readonly Kind[] {
  const kinds = new Set(['Namespace', ...ownerKinds, ...[...rules, ...mutations].flatMap(({ reads }) => reads)])
  return [...kinds].sort()
}

/** Returns the name of a kind in URLs; one that has none here is our fault and throws. */
export function pluralOf(kind: Kind): string {
  const plural = Object.hasOwn(plurals, kind) ? plurals[kind] : undefined
  if (plural === undefined) throw new Error(`the plural of ${kind} is not known`)
  return plural
}

/** Returns the two halves of a kind: `Gateway.networking.istio.io` → `networking.istio.io` and `Gateway`. */
export function partsOf(kind: Kind): { readonly group: string; readonly name: string } {
  const dot = kind.indexOf('.')
  return dot < 0 ? { group: '', name: kind } : { group: kind.slice(dot + 1), name: kind.slice(0, dot) }
}

const versionForm = /^v(\d+)(?:(alpha|beta)(\d+))?$/

/**
 * Compares versions of a group, the one to be preferred first: stable before beta before alpha, then the higher number.
 * Kubernetes: "Versions in CustomResourceDefinitions", section "Version priority".
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [rankOf(a), rankOf(b)]
  for (let i = 0; i < left.length; i++) {
    const difference = (right[i] ?? 0) - (left[i] ?? 0)
    if (difference !== 0) return difference
  }
  return a < b ? -1 : a > b ? 1 : 0
}

function rankOf(version: string): readonly number[] {
  const found = versionForm.exec(version)
  if (found === null) return [0, 0, 0]
  const [, major, maturity, minor] = found
  return [maturity === undefined ? 3 : maturity === 'beta' ? 2 : 1, Number(major), Number(minor ?? 0)]
}
