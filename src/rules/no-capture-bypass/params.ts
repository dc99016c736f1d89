import { nothing, parseSubnet, type Ranges, union } from '../../istio/cidr.ts'

/** What a policy accepts that a pod keeps from its proxy. */
export interface Params {
  readonly excludableRanges: readonly string[]
  readonly excludablePorts: readonly number[]
  readonly excludableInterfaces: readonly string[]
  readonly reroutableInterfaces: readonly string[]
  readonly interceptionModes: readonly string[]
}

/** Returns the ranges that the policy accepts beyond those of the cluster. */
export function acceptedRanges(params: Params): Ranges {
  let accepted = nothing
  for (const text of params.excludableRanges) {
    const range = parseSubnet(text)
    if (range.ok) accepted = union(accepted, range.value)
  }
  return accepted
}
