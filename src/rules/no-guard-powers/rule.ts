import { defineRule } from '../../core/rule.ts'
import { requireMap } from '../../core/shape.ts'
import { enumerate } from '../../core/text.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import { granteeOf, isTrusted } from './grantee.ts'
import { powersOf } from './power.ts'
import { rulesOf, unknownRole } from './role.ts'

type Message = 'cluster-power' | 'platform-power'

const roleKinds = ['ClusterRole', 'Role'].map(kind => `${kind}.rbac.authorization.k8s.io`)
const clusterBinding = 'ClusterRoleBinding.rbac.authorization.k8s.io'

export default defineRule<Message, Record<never, never>>({
  id: 'no-guard-powers',
  summary: 'Disallow bindings that give others than the platform rights over what guards the mesh',
  risk: [
    'Who may change webhook configurations switches the injector and the guard off, and no webhook is asked about',
    'it; who may act as others, enter any pod, reach into nodes or give himself rights can do whatever they can. In',
    'platform namespaces rights to write reach the mesh itself. RBAC is the only limit there: this rule says which',
    'bindings go beyond it.',
  ].join(' '),
  team: [
    'An operator asks for more than it needs, often rights over all webhook configurations. Most charts can limit',
    'them to their own (`resourceNames`); what must keep them stands under `spec.identities.platform`. Nothing is',
    'refused.',
  ].join(' '),
  judges: [clusterBinding, 'RoleBinding.rbac.authorization.k8s.io'],
  reads: [...roleKinds, 'Namespace'],
  facts: ['identities'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['platform'],
  outsideLaw: false,
  params: {},
  messages: {
    'cluster-power': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: '"{value}" may {powers}, which undoes what guards the mesh, and is not of the platform',
      fix: 'take these rights out of the role, or add the subject to spec.identities.platform',
      threats: ['rbac/self-grant'],
    },
    'platform-power': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: '"{value}" may {powers} in namespace "{namespace}", and is not of the platform, to which it belongs',
      fix: 'move what it needs to a namespace of its own, or add the subject to spec.identities.platform',
      threats: ['rbac/self-grant'],
    },
  },
  check(subject, tools) {
    if (!requireMap(subject, tools, ['roleRef'])) return
    const { object, ref } = subject
    const isClusterWide = subject.kind === clusterBinding
    const grantees = list(field(object, 'subjects')).flatMap((item, i) => {
      const grantee = granteeOf(item, ref.namespace)
      return grantee === undefined || isTrusted(grantee, tools) ? [] : [{ ...grantee, i }]
    })
    if (grantees.length === 0) return
    const rules = rulesOf(field(object, 'roleRef'), ref.namespace, tools.inventory)
    if (rules === unknownRole) {
      const name = text(dig(object, 'roleRef', 'name')) ?? ''
      tools.notJudged(['roleRef', 'name'], `what role "${name}" permits`, 'give the role with --inventory')
      return
    }
    const powers = powersOf(rules, isClusterWide)
    if (powers.length === 0) return
    const slots = { powers: enumerate(powers), namespace: ref.namespace }
    for (const { i, name } of grantees) {
      const path = ['subjects', i, 'name']
      if (tools.facts.identities.platform === undefined) {
        tools.notJudged(path, `whether "${name}" is of the platform`, 'give spec.identities.platform in the policy')
      } else tools.report(isClusterWide ? 'cluster-power' : 'platform-power', { path, value: name, slots })
    }
  },
})
