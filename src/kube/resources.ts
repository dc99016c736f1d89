import type { Kind } from '../core/kind.ts'
import type { Mutation } from '../core/mutation.ts'
import { ownerKinds } from '../core/owner.ts'
import { resourceOf } from '../core/resource.ts'
import type { RuleMetadata } from '../core/rule.ts'

/**
 * Returns the kinds that an inventory has to hold, sorted: what rules and mutations read, the Namespaces by which everything
 * is classed, and the owners by which an exemption of a workload reaches its pods.
 */
export function kindsHeld(
  rules: readonly Pick<RuleMetadata, 'reads'>[],
  mutations: readonly Pick<Mutation, 'reads'>[],
): readonly Kind[] {
  const kinds = new Set(['Namespace', ...ownerKinds, ...[...rules, ...mutations].flatMap(({ reads }) => reads)])
  return [...kinds].sort()
}

/** Returns the name of a kind in URLs; one that has none here is our fault and throws. */
export function pluralOf(kind: Kind): string {
  const plural = resourceOf(kind)?.plural
  if (plural === undefined) throw new Error(`the plural of ${kind} is not known`)
  return plural
}

/** Returns the two halves of a kind: `Gateway.networking.istio.io` → `networking.istio.io` and `Gateway`. */
export function partsOf(kind: Kind): { readonly group: string; readonly name: string } {
  const dot = kind.indexOf('.')
  return dot < 0 ? { group: '', name: kind } : { group: kind.slice(dot + 1), name: kind.slice(0, dot) }
}

const versionForm = /^v(\d+)(?:(alpha|beta)(\d+))?$/

/**
 * Compares versions of a group, the one to be preferred first: stable before beta before alpha, then the higher number.
 * Kubernetes: "Versions in CustomResourceDefinitions", section "Version priority".
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [rankOf(a), rankOf(b)]
  for (let i = 0; i < left.length; i++) {
    const difference = (right[i] ?? 0) - (left[i] ?? 0)
    if (difference !== 0) return difference
  }
  return a < b ? -1 : a > b ? 1 : 0
}

function rankOf(version: string): readonly number[] {
  const found = versionForm.exec(version)
  if (found === null) return [0, 0, 0]
  const [, major, maturity, minor] = found
  return [maturity === undefined ? 3 : maturity === 'beta' ? 2 : 1, Number(major), Number(minor ?? 0)]
}
