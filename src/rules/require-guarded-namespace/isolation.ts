import { dig, isFields, list } from '../../istio/json.ts'

/**
 * Whether a NetworkPolicy holds back the egress of every pod of its namespace: it selects all, and has `Egress` among
 * its types, or names no types and has egress rules. Kubernetes: Network Policies, "The NetworkPolicy resource".
 */
export function isolates(policy: unknown): boolean {
  const selector = dig(policy, 'spec', 'podSelector')
  if (isFields(selector) && Object.values(selector).some(part => Object.keys(Object(part)).length > 0)) return false
  const types = list(dig(policy, 'spec', 'policyTypes'))
  return types.length > 0 ? types.includes('Egress') : list(dig(policy, 'spec', 'egress')).length > 0
}
