import { defineRule, type Tools } from '../../core/rule.ts'
import { endpointsOf, isApiServersOwn, isOfKubernetes, isSeen, judge, sliceKind, sliceOf } from './endpoint.ts'

/** What this rule can say. */
export type Message = 'outside-address' | 'outside-name'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'no-outside-endpoints',
  summary: 'Disallow endpoints of Services outside the cluster',
  risk: [
    'An EndpointSlice written by hand is taken in like those that Kubernetes writes, for a Service with a selector too. Its',
    'addresses may be anywhere, so an internal name leads outside and no ServiceEntry says so. What the controllers of',
    'Kubernetes write for a Service with a selector follows its pods and passes. In a namespace outside the policy it is judged',
    'where namespaces under the policy see the Service. In those of Kubernetes itself (`kube-*`), unless they are governed, the',
    'addresses of kubelets and of the control plane stand, and nothing is judged.',
  ].join(' '),
  team: [
    'A Service without a selector gives a database outside a name inside. Have the machine’s range added to',
    '`spec.ranges.virtualMachines`, or its name with its addresses to `spec.internalHosts`.',
  ].join(' '),
  judges: [sliceKind, 'Endpoints'],
  reads: ['ConfigMap', 'Namespace', 'Service'],
  facts: ['ranges', 'internalHosts', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'outside-address': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{service}" would lead to {address}, outside the cluster, past every ServiceEntry and the egress gateway',
      fix: '{remedy}, or have the address added to spec.internalHosts for "{host}"',
      threats: ['svc/manual-endpoints'],
    },
    'outside-name': {
      severity: 'high',
      enforcementAction: 'deny',
      why: '"{service}" would lead to "{address}", a name outside the cluster, wherever slices of names are read',
      fix: 'remove the endpoint, and use a ServiceEntry for the host',
      threats: ['svc/manual-endpoints'],
    },
  },
  check(subject, tools) {
    if (isOfKubernetes(subject)) return
    const scene = subject.kind === sliceKind ? sliceOf(subject, tools) : endpointsOf(subject, tools)
    if (scene.service === '' || isApiServersOwn(subject, scene)) return
    if (subject.namespaceClass === 'notGoverned' && !isSeen(subject, scene, tools)) return
    judge(scene, tools)
  },
})
