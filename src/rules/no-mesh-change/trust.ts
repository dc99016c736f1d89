import { dig, field, list, text } from '../../istio/json.ts'
import { defaultTrustDomain, type MeshConfig } from '../../istio/meshconfig.ts'
import type { Change, Judge } from './rule.ts'

/** Judges a change of the identities that count in the mesh. */
export function judgeTrust({ before, after, at }: Change, tools: Judge): void {
  const [was, is] = [before.trustDomain || defaultTrustDomain, after.trustDomain || defaultTrustDomain]
  if (was !== is) tools.report('trust-domain', { path: at('trustDomain'), value: is, slots: { before: was } })
  const aliases = new Set([was, ...(before.trustDomainAliases ?? [])])
  for (const alias of after.trustDomainAliases ?? []) {
    if (!aliases.has(alias)) tools.report('trust-widened', { path: at('trustDomainAliases'), value: alias })
  }
  const trusted = new Set(authoritiesOf(before))
  for (const authority of authoritiesOf(after)) {
    if (!trusted.has(authority)) tools.report('trust-widened', { path: at('caCertificates'), value: authority })
  }
  if (tlsOf(before) === 'TLSV1_3' && tlsOf(after) !== 'TLSV1_3') {
    tools.report('mtls-lowered', { path: at('meshMTLS'), value: tlsOf(after) })
  }
}

function authoritiesOf(config: MeshConfig): readonly string[] {
  return list(config.fields.get('caCertificates')).flatMap(given => {
    const authority = text(field(given, 'spiffeBundleUrl')) || text(field(given, 'pem'))
    return authority ? [authority] : []
  })
}

const versions = ['TLS_AUTO', 'TLSV1_2', 'TLSV1_3'] as const

function tlsOf(config: MeshConfig): string {
  const given = dig(config.fields.get('meshMTLS'), 'minProtocolVersion')
  return typeof given === 'number' ? (versions[given] ?? 'TLS_AUTO') : (text(given) ?? 'TLS_AUTO')
}
