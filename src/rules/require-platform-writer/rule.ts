import { isMeshConfigMap } from '../../core/mesh.ts'
import { defineRule, type Subject } from '../../core/rule.ts'
import { dig } from '../../istio/json.ts'

const istioKinds = ['ServiceEntry', 'VirtualService', 'DestinationRule', 'Gateway', 'Sidecar', 'EnvoyFilter'].map(
  kind => `${kind}.networking.istio.io`,
)

/** Kinds that say who may use the egress gateway, and as whom. */
const accessKinds = ['AuthorizationPolicy.security.istio.io', 'PeerAuthentication.security.istio.io']

export default defineRule<'not-platform', Record<never, never>>({
  id: 'require-platform-writer',
  summary: 'Require that only the platform writes what steers the mesh in platform namespaces',
  risk: [
    'What stands in the namespaces of the platform holds for everybody: the mesh configuration, a Sidecar of the root',
    'namespace, the routes and policies of the egress gateway. Namespace permissions are easily given too widely; this',
    'rule looks at who asks. It is judged only where somebody asks: not in a scan, and in `check` only with `--as`.',
  ].join(' '),
  judges: [...istioKinds, ...accessKinds, 'NetworkPolicy.networking.k8s.io', 'ConfigMap'],
  reads: [],
  facts: ['identities', 'mesh'],
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  phases: ['submitted', 'final'],
  classes: ['platform'],
  outsideLaw: true,
  params: {},
  messages: {
    'not-platform': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{value}" is not of the platform, to which namespace "{namespace}" belongs',
      fix: 'have the platform apply it, or add the user or a group to spec.identities.platform',
      threats: ['sidecar/root-namespace', 'injector/config', 'mesh/mesh-networks', 'ap/egress-weaken', 'dr/delete'],
    },
  },
  check(subject, tools) {
    const { requester } = subject
    // Controllers write the status of what others wrote.
    if (requester === undefined || subject.subresource !== '' || !steersMesh(subject, tools.facts.mesh.rootNamespace))
      return
    const isPlatform = tools.facts.identities.platform
    if (isPlatform === undefined) {
      const unknown = `whether "${requester.username}" is of the platform`
      tools.notJudged(['metadata', 'namespace'], unknown, 'give spec.identities.platform in the policy')
      return
    }
    if (isPlatform(requester)) return
    const slots = { namespace: subject.ref.namespace }
    tools.report('not-platform', { path: ['metadata', 'namespace'], value: requester.username, slots })
  },
})

/** Most ConfigMaps there are bookkeeping of controllers; what control planes and injectors read is the mesh. */
function steersMesh(subject: Subject, rootNamespace: string): boolean {
  if (subject.kind !== 'ConfigMap') return true
  if (subject.ref.namespace !== rootNamespace) return false
  if (/^istio-sidecar-injector(-|$)/.test(subject.ref.name)) return true
  // The mesh ConfigMap by its name, a shared one of any name by its keys.
  return [subject.object, subject.oldObject].some(
    object =>
      isMeshConfigMap(object, rootNamespace) ||
      dig(object, 'data', 'mesh') !== undefined ||
      dig(object, 'data', 'meshNetworks') !== undefined,
  )
}
