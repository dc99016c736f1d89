import { liveApprovals } from '../../core/clients.ts'
import type { Path } from '../../core/path.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { requireLists } from '../../core/shape.ts'
import { isClusterHost } from '../../istio/host.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import { type Origin, parseOrigin } from '../../istio/origin.ts'
import { protocolClass } from '../../istio/protocol.ts'

type Message = 'keys-not-approved' | 'issuer-not-approved'

type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'require-approved-issuers',
  summary: 'Require that keys for tokens are fetched only from approved identity providers',
  risk: [
    'A RequestAuthentication makes the control plane fetch keys from an address of its author’s choice, or the proxy does;',
    'without `jwksUri` and `jwks` istiod asks the issuer for where its keys are. So whoever may write one makes the control',
    'plane connect to any host, inside and outside, with all the reach that it has.',
  ].join(' '),
  team: [
    'Tokens of a new identity provider. Have its origin added to `spec.identityProviders`, or give the keys inline',
    '(`jwks`).',
  ].join(' '),
  judges: ['RequestAuthentication.security.istio.io'],
  reads: [],
  facts: ['approvedHosts', 'identityProviders', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'keys-not-approved': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the control plane would fetch keys from "{origin}", which {reason}',
      fix: 'give the keys inline (jwks), or have the origin added to spec.identityProviders of the policy',
      threats: ['ra/jwks-uri'],
    },
    'issuer-not-approved': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'without jwksUri and jwks the control plane would ask "{origin}" where its keys are, which {reason}',
      fix: 'give the keys inline (jwks), or have the origin added to spec.identityProviders of the policy',
      threats: ['ra/issuer-discovery'],
    },
  },
  check(subject, tools) {
    if (subject.subresource !== '' || !requireLists(subject, tools, ['jwtRules'])) return
    for (const [i, rule] of list(dig(subject.object, 'spec', 'jwtRules')).entries()) {
      judgeRule(rule, ['spec', 'jwtRules', i], subject, tools)
    }
  },
})

/**
 * Judges from where the keys of a rule come. Inline keys are used where there is no URL, and with one by istiod but not by
 * proxies that fetch keys themselves. Only an issuer that is a URL of HTTP can be asked. Istio:
 * pilot/pkg/security/authn/policy_applier.go (convertToEnvoyJwtConfig), pilot/pkg/model/jwks_resolver.go (GetPublicKey).
 *
 *     jwksUri   jwks   issuer             asked
 *     given     any    any                jwksUri
 *     (none)    given  any                nobody
 *     (none)    (none) https://a.example  the issuer
 *     (none)    (none) me@a.example       nobody
 */
function judgeRule(rule: unknown, at: Path, subject: Subject, tools: Judge): void {
  // The schema of the custom resource has both spellings.
  for (const key of ['jwksUri', 'jwks_uri'] as const) {
    const uri = text(field(rule, key)) ?? ''
    if (uri !== '') return judgeUrl(uri, [...at, key], 'keys-not-approved', subject, tools)
  }
  const issuer = text(field(rule, 'issuer')) ?? ''
  if ((text(field(rule, 'jwks')) ?? '') !== '' || !/^https?:/i.test(issuer)) return
  judgeUrl(issuer, [...at, 'issuer'], 'issuer-not-approved', subject, tools)
}

function judgeUrl(url: string, path: Path, message: Message, subject: Subject, tools: Judge): void {
  const parsed = parseOrigin(url)
  const reason = parsed.ok ? reasonAgainst(parsed.value, subject, tools) : parsed.why
  if (reason === undefined) return
  const origin = parsed.ok ? format(parsed.value) : url
  tools.report(message, { path, value: origin, slots: { origin, reason } })
}

function reasonAgainst(origin: Origin, subject: Subject, tools: Judge): string | undefined {
  const { facts, now } = tools
  for (const listed of facts.identityProviders ?? []) {
    const known = parseOrigin(listed)
    if (known.ok && format(known.value) === format(origin)) return undefined
  }
  if (isClusterHost(origin.host, facts.mesh.clusterDomain) || !origin.host.includes('.')) {
    return 'the policy does not list'
  }
  const kind = origin.scheme === 'https' ? 'tls' : 'http'
  const isApproved = liveApprovals(origin.host, facts, now).some(
    approval =>
      (subject.namespaceClass === 'platform' || approval.allows(subject.ref.namespace)) &&
      approval.ports.some(fact => fact.number === origin.port && protocolClass(fact.protocol) === kind),
  )
  return isApproved ? undefined : 'is neither listed nor approved'
}

function format({ scheme, host, port }: Origin): string {
  const name = host.includes(':') ? `[${host}]` : host
  return `${scheme}://${name}${port === (scheme === 'https' ? 443 : 80) ? '' : `:${port}`}`
}
