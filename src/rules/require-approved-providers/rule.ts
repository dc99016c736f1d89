import { liveApprovals } from '../../core/clients.ts'
import type { Path } from '../../core/path.ts'
import { judgeProvider, type ProviderVerdict } from '../../core/provider.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { requireLists } from '../../core/shape.ts'
import { dig, field, list, text } from '../../istio/json.ts'

type Message = 'reports-outside' | 'asks-outside'

type Judge = Tools<Message, Record<never, never>>

/** Lists of a Telemetry in which providers are named. */
const sections = ['tracing', 'accessLogging', 'metrics'] as const

export default defineRule<Message, Record<never, never>>({
  id: 'require-approved-providers',
  summary: 'Require that proxies report to and ask only those that the organisation approved',
  risk: [
    'Traces and access logs hold paths, headers and more of what passes, and an external authorizer is handed whole',
    'requests. A Telemetry or an AuthorizationPolicy switches such a provider on by its name; where it is, the mesh',
    'configuration says. The proxy connects to it by itself, past every route.',
  ].join(' '),
  team: [
    'Traces to a hosted service, or a new external authorizer. Providers in the cluster pass; have one outside added',
    'to `spec.telemetryProviders` or `spec.authorizers`.',
  ].join(' '),
  judges: ['Telemetry.telemetry.istio.io', 'AuthorizationPolicy.security.istio.io'],
  reads: ['ConfigMap'],
  facts: ['approvedHosts', 'authorizers', 'internalHosts', 'mesh', 'telemetryProviders'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform'],
  outsideLaw: false,
  params: {},
  messages: {
    'reports-outside': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'proxies would report what passes to {where}, {reason}',
      fix: 'use a provider of spec.telemetryProviders of the policy, or have "{name}" added there',
      threats: ['telemetry/provider'],
    },
    'asks-outside': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'proxies would hand requests to {where}, {reason}',
      fix: 'use a provider of spec.authorizers of the policy, or have "{name}" added there',
      threats: ['ap/custom-provider'],
    },
  },
  check(subject, tools) {
    if (subject.subresource !== '') return
    if (subject.kind === 'AuthorizationPolicy.security.istio.io') judgeAuthorizer(subject, tools)
    else if (requireLists(subject, tools, sections)) judgeTelemetry(subject, tools)
  },
})

function judgeAuthorizer(subject: Subject, tools: Judge): void {
  const spec = field(subject.object, 'spec')
  if (field(spec, 'action') !== 'CUSTOM') return
  const at = ['spec', 'provider', 'name']
  judgeName(dig(spec, 'provider', 'name'), at, 'asks-outside', subject, tools)
}

/** One that is switched off is judged too: a narrower object may switch it on again without naming it. */
function judgeTelemetry(subject: Subject, tools: Judge): void {
  for (const section of sections) {
    for (const [i, entry] of list(dig(subject.object, 'spec', section)).entries()) {
      for (const [j, provider] of list(field(entry, 'providers')).entries()) {
        const at = ['spec', section, i, 'providers', j, 'name']
        judgeName(field(provider, 'name'), at, 'reports-outside', subject, tools)
      }
    }
  }
}

function judgeName(given: unknown, path: Path, message: Message, subject: Subject, tools: Judge): void {
  const name = text(given)
  if (name === undefined) return
  const { facts, inventory } = tools
  const key = message === 'asks-outside' ? 'authorizers' : 'telemetryProviders'
  const verdict = judgeProvider(name, facts[key], facts, inventory)
  if (verdict.is === 'fine') return
  if (verdict.is === 'unknown') {
    const fix = `give ConfigMap istio with --inventory, or name it in spec.${key} of the policy`
    tools.notJudged(path, `where provider "${name}" leads`, fix)
    return
  }
  if (verdict.is === 'outside' && isApproved(verdict, subject, tools)) return
  const reason = verdict.is === 'outside' ? 'which is outside and not approved' : 'which the policy does not list'
  tools.report(message, { path, value: `${name} at ${verdict.where}`, slots: { name, where: verdict.where, reason } })
}

/** Whether the host of a provider is approved on its port, for the namespace whose proxies connect to it. */
function isApproved(
  verdict: Extract<ProviderVerdict, { readonly where: string }>,
  subject: Subject,
  tools: Judge,
): boolean {
  if (verdict.host === undefined) return false
  return liveApprovals(verdict.host, tools.facts, tools.now).some(
    approval =>
      (subject.namespaceClass === 'platform' || approval.allows(subject.ref.namespace)) &&
      approval.ports.some(fact => fact.number === verdict.port),
  )
}
