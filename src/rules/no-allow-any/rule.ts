import { installations } from '../../core/installation.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { judgeInstallation } from './install.ts'
import { judgeConfigMap } from './mesh.ts'
import { judgeSidecar } from './sidecar.ts'

/** What this rule can say. */
export type Message =
  | 'sidecar-allow-any'
  | 'sidecar-silent'
  | 'egress-proxy'
  | 'mesh-allow-any'
  | 'mesh-deleted'
  | 'shared-mesh-allow-any'
  | 'install-allow-any'
  | 'injector-ranges'
  | 'injector-ports'
  | 'injector-off'
  | 'unreadable'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

const sidecar = 'Sidecar.networking.istio.io'

export default defineRule<Message, Record<never, never>>({
  id: 'no-allow-any',
  summary: 'Disallow settings that let traffic to unknown destinations out of the mesh',
  risk: [
    'With the outbound traffic policy `ALLOW_ANY`, which is also what holds where nothing is said, a sidecar passes every',
    'connection to a destination that is not in the registry: nothing is approved, nothing is routed. The mesh',
    'configuration sets the mode for all, a `Sidecar` for its namespace; a Sidecar that says nothing takes the mode of',
    'the mesh, never that of the root namespace. Ranges and ports left out in the injector’s values do the same for all',
    'pods, past the proxy.',
  ].join(' '),
  team: [
    'A service cannot reach something outside, and `ALLOW_ANY` makes it work. It works for everything else as well.',
    'Have the one host approved (ApprovedHosts) and register it with a ServiceEntry; the mode stays `REGISTRY_ONLY`.',
  ].join(' '),
  judges: [sidecar, 'ConfigMap', ...installations],
  reads: ['ConfigMap'],
  facts: ['mesh', 'egressGateways', 'ranges'],
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'sidecar-allow-any': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'mode "{mode}" lets {whose} reach every destination, registered or not',
      fix: 'set spec.outboundTrafficPolicy.mode to REGISTRY_ONLY',
      threats: ['sidecar/allow-any'],
    },
    'sidecar-silent': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'a Sidecar without a mode takes that of the mesh, which lets unknown destinations pass',
      fix: 'set spec.outboundTrafficPolicy.mode to REGISTRY_ONLY',
      threats: ['sidecar/policy-omitted'],
    },
    'egress-proxy': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'traffic to unknown destinations is sent to "{value}", which is no egress gateway of the policy',
      fix: 'remove egressProxy and set the mode to REGISTRY_ONLY',
      threats: ['sidecar/egress-proxy'],
    },
    'mesh-allow-any': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{state}, so every proxy of the mesh passes traffic to unknown destinations',
      fix: 'set outboundTrafficPolicy.mode to REGISTRY_ONLY in the mesh configuration',
      threats: ['mesh/outbound-policy'],
    },
    'mesh-deleted': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'without the mesh configuration every proxy passes traffic to unknown destinations',
      fix: 'keep the ConfigMap, or have its removal with the control plane recorded (EgressExemptions)',
      threats: ['mesh/outbound-policy'],
    },
    'shared-mesh-allow-any': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'mode "{value}" holds wherever the control plane reads this mesh configuration and the primary one is silent',
      fix: 'set outboundTrafficPolicy.mode to REGISTRY_ONLY',
      threats: ['mesh/shared-configmap'],
    },
    'install-allow-any': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{state}, so the mesh that is installed passes traffic to unknown destinations',
      fix: 'set {field} to REGISTRY_ONLY',
      threats: ['operator/iop', 'sail/values'],
    },
    'injector-ranges': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{setting} "{value}" lets every pod reach {outside} without passing its proxy',
      fix: '{remedy}',
      threats: ['injector/values', 'operator/iop', 'sail/values'],
    },
    'injector-ports': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'every pod reaches port {value} anywhere without passing its proxy',
      fix: 'empty {setting}',
      threats: ['injector/values', 'operator/iop', 'sail/values'],
    },
    'injector-off': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{setting} "{value}" keeps the proxy out of pods that do not ask for it',
      fix: 'set {setting} to "enabled"',
      threats: ['injector/config', 'injector/values', 'operator/iop', 'sail/values'],
    },
    unreadable: {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'what Istio makes of it is uncertain: {problem}',
      fix: 'write it so that it reads in one way only',
      threats: [
        'mesh/outbound-policy',
        'mesh/shared-configmap',
        'injector/values',
        'injector/config',
        'operator/iop',
        'sail/values',
      ],
    },
  },
  check(subject, tools) {
    if (subject.kind === 'ConfigMap') return judgeConfigMap(subject, tools)
    if (subject.operation === 'DELETE') return
    if (subject.kind === sidecar) return judgeSidecar(subject, tools)
    judgeInstallation(subject, tools)
  },
})
