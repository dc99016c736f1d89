import { reachesMetadata } from '../../core/change.ts'
import type { Kind } from '../../core/kind.ts'
import type { Path } from '../../core/path.ts'
import type { Requester } from '../../core/review.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { isController, isKubernetes } from '../../core/writer.ts'
import { listenerSetKinds } from '../../istio/gatewayapi.ts'
import { gatewayApiKind } from '../../istio/kinds.ts'
import { gatewayApiKinds, steersEgress } from './gatewayapi.ts'
import { defaultKinds, isPluginOf, platformGroups } from './kinds.ts'
import { namespaceConcerns, networkPolicyKind } from './namespace.ts'
import { meshObjectOf, sharedKinds, steersMesh } from './objects.ts'

type Message =
  | 'not-platform'
  | 'platform-kind'
  | 'mesh-object'
  | 'platform-namespace'
  | 'exempt-name'
  | 'namespace-users'
  | 'namespace-admitted'

interface Params {
  readonly kinds: readonly Kind[]
}

type Judge = Tools<Message, Params>

const istioKinds = ['ServiceEntry', 'VirtualService', 'DestinationRule', 'Gateway', 'Sidecar', 'EnvoyFilter'].map(
  kind => `${kind}.networking.istio.io`,
)

/** Kinds that say who may use the egress gateway, and as whom. */
const accessKinds = ['AuthorizationPolicy.security.istio.io', 'PeerAuthentication.security.istio.io']

/** Kinds by which a platform namespace steers the mesh. */
const steeringKinds: readonly Kind[] = [
  ...istioKinds,
  ...accessKinds,
  ...gatewayApiKinds,
  networkPolicyKind,
  'ConfigMap',
]

export default defineRule<Message, Params>({
  id: 'require-platform-writer',
  summary: 'Require that only the platform writes what steers the mesh or closes its network',
  risk: [
    'What stands in the namespaces of the platform holds for everybody: the mesh configuration, a Sidecar of the',
    'root namespace, the routes and policies of the egress gateway. So do objects without a namespace or with a',
    'special name: definitions of Istio’s kinds, network policies of the admin tier and of network plugins, the root',
    'certificate. Permissions are easily given too widely; this rule looks at who asks. It is judged only where',
    'somebody asks: not in a scan, and in `check` only with `--as`. Kubernetes’ own accounts pass where they keep',
    'copies and books, and istiod where it keeps its own; neither passes in the place of the platform.',
  ].join(' '),
  team: [
    'A team wants a policy of the network plugin, a label that another policy trusts, or a change beside the',
    'gateway. The platform applies it, from its own repository or pipeline. A NetworkPolicy in the team’s own',
    'namespace is for the team to write.',
  ].join(' '),
  judges: [...steeringKinds, ...sharedKinds, 'Namespace', ...platformGroups.map(group => `*.${group}`)],
  reads: [gatewayApiKind, ...listenerSetKinds, networkPolicyKind],
  facts: ['egressGateways', 'identities', 'mesh'],
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  phases: ['submitted', 'final'],
  classes: ['platform', 'governed', 'notGoverned'],
  outsideLaw: true,
  params: {
    kinds: {
      doc: `Kinds that only the platform writes, in governed namespaces too, of these groups: ${platformGroups.join(', ')}.`,
      schema: { type: 'array', items: { type: 'string', minLength: 1 } },
      default: defaultKinds,
    },
  },
  messages: {
    'not-platform': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{value}" is not of the platform, to which namespace "{namespace}" belongs',
      fix: 'have the platform apply it, or add the user, a group or the service account to spec.identities.platform',
      threats: [
        'sidecar/root-namespace',
        'injector/config',
        'mesh/mesh-networks',
        'ap/egress-weaken',
        'dr/delete',
        'gwapi/delete',
        'gwapi/gateway-egress',
        'gwapi/backend-tls',
        'gwapi/reference-grant',
        'guard/requester',
      ],
    },
    'platform-kind': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'objects of kind {kind} open or close the network for others, and "{value}" is not of the platform',
      fix: 'have the platform apply it, or add the user, a group or the service account to spec.identities.platform, or remove the kind from params.kinds',
      threats: ['netpol/cni-kinds', 'sail/values', 'operator/iop'],
    },
    'mesh-object': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'it is {what}, and "{value}" is not of the platform',
      fix: 'have the platform apply it, or add the user, a group or the service account to spec.identities.platform{others}',
      threats: [
        'crd/istio',
        'apiservice/external',
        'cni/config',
        'gwclass/defaults',
        'istiod/env',
        'mesh/remote-secret',
        'mesh/root-cert',
        'webhookcfg/istio',
      ],
    },
    'platform-namespace': {
      severity: 'high',
      enforcementAction: 'deny',
      why: '"{value}" is not of the platform, to which the namespace belongs, and {what}',
      fix: 'have the platform do it, or add the user, a group or the service account to spec.identities.platform',
      threats: ['ns/topology-network', 'ns/control-plane-clusters', 'ns/delete-egress'],
    },
    'exempt-name': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the name "{what}" sets the namespace free of the policy, and "{value}" is not of the platform',
      fix: 'name it otherwise, or have the platform create it',
      threats: ['ns/guard-exempt', 'ns/reserved-name'],
    },
    'namespace-users': {
      severity: 'high',
      enforcementAction: 'deny',
      why: '{what} chooses the user or group of the proxy, which is not captured, and "{value}" is not of the platform',
      fix: 'remove the annotation, or keep what OpenShift gave',
      threats: ['ns/uid-range'],
    },
    'namespace-admitted': {
      severity: 'high',
      enforcementAction: 'deny',
      why: '"{value}" is not of the platform, and gives the namespace {what}',
      fix: 'have the platform set the label, or let the NetworkPolicy select by kubernetes.io/metadata.name',
      threats: ['ns/netpol-selector-labels'],
    },
  },
  check(subject, tools) {
    // Controllers write the status of what others wrote.
    const { requester } = subject
    if (requester === undefined) return
    if (subject.kind === 'Namespace' ? !reachesMetadata(subject) : subject.subresource !== '') return
    for (const concern of concernsOf(subject, requester, tools)) judge(concern, requester, tools)
  },
})

/** Something that only some may do. */
interface Concern {
  readonly message: Message
  readonly path: Path
  readonly slots: Readonly<Record<string, string>>
  /** Whether one who is not of the platform may do it too. */
  readonly passes: () => boolean
}

function judge({ message, path, slots, passes }: Concern, requester: Requester, tools: Judge): void {
  if (passes()) return
  const isPlatform = tools.facts.identities.platform
  if (isPlatform === undefined) {
    const unknown = `whether "${requester.username}" is of the platform`
    tools.notJudged(path, unknown, 'give spec.identities.platform in the policy')
    return
  }
  if (!isPlatform(requester)) tools.report(message, { path, value: requester.username, slots })
}

function steers(subject: Subject, tools: Judge): boolean {
  if (gatewayApiKinds.includes(subject.kind)) return steersEgress(subject, tools)
  return steersMesh(subject, tools.facts.mesh.rootNamespace)
}

function concernsOf(subject: Subject, requester: Requester, tools: Judge): readonly Concern[] {
  const { kind, ref, namespaceClass } = subject
  const { facts } = tools
  const isCluster = (): boolean => isKubernetes(requester)
  if (kind === 'Namespace') {
    return namespaceConcerns(subject, facts, tools.inventory).map(({ message, path, what }) => ({
      message,
      path,
      slots: { what },
      passes: isCluster,
    }))
  }
  if (namespaceClass === 'platform' && steeringKinds.includes(kind) && steers(subject, tools)) {
    const slots = { namespace: ref.namespace }
    return [{ message: 'not-platform', path: ['metadata', 'namespace'], slots, passes: () => false }]
  }
  const found = meshObjectOf(subject, facts.mesh.rootNamespace)
  if (found !== undefined) {
    const others = found.isControllers ? ', or who keeps it, beside istiod, to spec.identities.controllers' : ''
    const passes = (): boolean => isCluster() || (found.isControllers && isController(requester, facts))
    return [{ message: 'mesh-object', path: ['metadata', 'name'], slots: { what: found.what, others }, passes }]
  }
  if (namespaceClass === 'notGoverned' || !tools.params.kinds.includes(kind)) return []
  const passes = (): boolean => isCluster() || isPluginOf(kind, requester.username)
  return [{ message: 'platform-kind', path: ['kind'], slots: { kind }, passes }]
}
