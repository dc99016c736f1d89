import type { WorkloadFact } from './facts.ts'
import type { Pod } from './pod.ts'

/** Returns true where the policy lets the pod deviate, by its namespace and service account. */
export function mayDeviate(facts: readonly WorkloadFact[], namespace: string, pod: Pod): boolean {
  return facts.some(
    fact =>
      fact.namespace === namespace &&
      (fact.serviceAccounts.includes('*') || fact.serviceAccounts.includes(pod.serviceAccount)),
  )
}
