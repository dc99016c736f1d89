import type { Approval, ApprovedHosts } from '../core/facts.ts'

/** Approvals of one host: mostly one, so no list is kept for it. */
type Bucket = Approval | Approval[]

/**
 * Returns an index over approvals. A look-up walks the labels of the host asked for, so its cost does not grow with the
 * number of approvals.
 */
export function indexApprovals(approvals: readonly Approval[]): ApprovedHosts {
  const exact = new Map<string, Bucket>()
  const wildcards = new Map<string, Bucket>()
  for (const approval of approvals) {
    if (approval.host.startsWith('*.')) add(wildcards, approval.host.slice(2), approval)
    else add(exact, approval.host, approval)
  }
  return { size: approvals.length, covering: host => covering(exact, wildcards, host) }
}

function add(index: Map<string, Bucket>, key: string, approval: Approval): void {
  const bucket = index.get(key)
  if (bucket === undefined) index.set(key, approval)
  else if (Array.isArray(bucket)) bucket.push(approval)
  else index.set(key, [bucket, approval])
}

function listOf(bucket: Bucket): readonly Approval[] {
  return Array.isArray(bucket) ? bucket : [bucket]
}

/**
 * An approved `*.x` covers every depth below `x`, not `x` itself (Istio's `host.Name.SubsetOf`); a wildcard that is asked
 * for needs an approved wildcard that covers it.
 */
function covering(
  exact: ReadonlyMap<string, Bucket>,
  wildcards: ReadonlyMap<string, Bucket>,
  host: string,
): readonly Approval[] {
  const found: Approval[] = []
  const same = exact.get(host)
  if (same !== undefined) found.push(...listOf(same))
  for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
    const bucket = wildcards.get(host.slice(dot + 1))
    if (bucket !== undefined) found.push(...listOf(bucket))
  }
  return found
}
