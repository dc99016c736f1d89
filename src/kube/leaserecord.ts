import { type Fields, field, isFields, text } from '../istio/json.ts'
import type { ObjectPath } from './cluster.ts'

/** Milliseconds for which a lease holds after others have seen it renewed. */
export const leaseDuration = 15_000

/** Returns who holds a lease; empty where it is free. */
export function holderOf(lease: Fields): string {
  return text(specOf(lease)['holderIdentity']) ?? ''
}

/** Returns what changes in a lease with each renewal. */
export function recordOf(lease: Fields): string {
  return JSON.stringify(specOf(lease))
}

/** Returns the lease as its holder writes it, a new one where there is none; the moment is for people. */
export function heldBy(
  holder: string,
  lease: Fields | undefined,
  { path, now }: { readonly path: ObjectPath; readonly now: number },
): Fields {
  const before = lease === undefined ? {} : specOf(lease)
  const changes = { acquireTime: microTime(now), leaseTransitions: Number(before['leaseTransitions'] ?? -1) + 1 }
  const spec = {
    ...before,
    holderIdentity: holder,
    leaseDurationSeconds: leaseDuration / 1000,
    renewTime: microTime(now),
    ...(before['holderIdentity'] !== holder && changes),
  }
  const metadata = { name: path.name, namespace: path.namespace }
  return { ...(lease ?? { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata }), spec }
}

/** Returns the lease as one that anybody may take. */
export function freed(lease: Fields, now: number): Fields {
  // One second, since none at all is refused.
  const spec = { ...specOf(lease), holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime(now) }
  return { ...lease, spec }
}

function specOf(lease: Fields): Fields {
  const spec = field(lease, 'spec')
  return isFields(spec) ? spec : {}
}

/** Kubernetes takes these times with six digits after the second, and no others. */
function microTime(moment: number): string {
  return new Date(moment).toISOString().replace('Z', '000Z')
}
