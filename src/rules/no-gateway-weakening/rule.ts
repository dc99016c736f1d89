import { gatewayWorkloads } from '../../core/gatewaypods.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { requireLists } from '../../core/shape.ts'
import { judgeAuthorization } from './authorization.ts'
import { judgePeer } from './peer.ts'

/** What this rule can say. */
export type Message =
  | 'dry-run'
  | 'allows-everyone'
  | 'policy-deleted'
  | 'plaintext'
  | 'mesh-permissive'
  | 'strict-deleted'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'no-gateway-weakening',
  summary: 'Disallow policies that open the egress gateway to callers it should not serve',
  risk: [
    'Who may use which host is decided at the egress gateway, by its AuthorizationPolicies, and those go by the identity',
    'that mutual TLS gives a caller. A policy that only pretends to hold (`istio.io/dry-run`), one that allows everybody,',
    'or a PeerAuthentication that lets callers come without an identity, takes that away, and no route shows it. A policy',
    'of the root namespace reaches the gateway too.',
  ].join(' '),
  team: [
    'A policy was loosened to find out why a request is refused. Look at the gateway’s access log instead, and add',
    'the one principal that is missing.',
  ].join(' '),
  judges: ['AuthorizationPolicy.security.istio.io', 'PeerAuthentication.security.istio.io'],
  reads: [...gatewayWorkloads, 'AuthorizationPolicy.security.istio.io', 'PeerAuthentication.security.istio.io'],
  facts: ['egressGateways', 'mesh'],
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'dry-run': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the policy is only tried out: egress gateway "{gateway}" does not refuse what it forbids',
      fix: 'remove the annotation istio.io/dry-run, or try the policy on a workload of its own (spec.selector)',
      threats: ['ap/egress-weaken'],
    },
    'allows-everyone': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'a rule without conditions lets every workload use every host of egress gateway "{gateway}"',
      fix: 'name the callers (from) and hosts (to, when) of the rule, or remove it',
      threats: ['ap/egress-weaken'],
    },
    'policy-deleted': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'egress gateway "{gateway}" no longer refuses what this policy forbids',
      fix: 'apply the policy that replaces it first',
      threats: ['ap/egress-weaken'],
    },
    plaintext: {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'with mode {mode} callers may reach egress gateway "{gateway}" without an identity',
      fix: 'set the mode to STRICT, or remove it',
      threats: ['pa/disable'],
    },
    'mesh-permissive': {
      severity: 'low',
      enforcementAction: 'dryrun',
      why: 'mode PERMISSIVE for the whole mesh, its default, also holds for egress gateway "{gateway}"',
      fix: 'apply a PeerAuthentication with mode STRICT in namespace {namespace}',
      threats: ['pa/disable'],
    },
    'strict-deleted': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'callers may reach egress gateway "{gateway}" without an identity, as the default is PERMISSIVE',
      fix: 'apply the PeerAuthentication that replaces it first',
      threats: ['pa/disable'],
    },
  },
  check(subject, tools) {
    if (subject.subresource !== '' || !requireLists(subject, tools, ['rules', 'targetRefs'])) return
    if (subject.kind === 'PeerAuthentication.security.istio.io') judgePeer(subject, tools)
    else judgeAuthorization(subject, tools)
  },
})
