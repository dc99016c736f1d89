import { defineRule } from '../../core/rule.ts'
import { meshGroups, meshKinds } from '../../istio/kinds.ts'

export default defineRule<'unknown-kind', Record<never, never>>({
  id: 'require-known-kinds',
  summary: 'Require that objects in the groups of Istio and the Gateway API are of a kind that Sallyport knows',
  risk: [
    'A new version of Istio brings new kinds, and one of them may route, extend or open what no rule here looks at:',
    '`TrafficExtension` came so, with the power of an EnvoyFilter. The webhook is therefore called for everything in',
    'these groups, and what is not in the table of known kinds is refused until Sallyport knows it. A kind that is',
    'taken away is never refused.',
  ].join(' '),
  team: [
    'A chart brings a kind that is newer than the guard. Update Sallyport first; until then the platform may record',
    'an exemption for the one object.',
  ].join(' '),
  judges: meshGroups.map(group => `*.${group}`),
  reads: [],
  facts: [],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'unknown-kind': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'no rule knows what a {value} does to the mesh',
      fix: 'take a Sallyport that knows the kind, or have this object recorded as permitted (EgressExemptions)',
      threats: ['guard/kinds'],
    },
  },
  check({ kind }, tools) {
    if (!meshKinds.has(kind)) tools.report('unknown-kind', { path: ['kind'], value: kind })
  },
})
