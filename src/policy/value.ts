import type { PortFact } from '../core/facts.ts'
import type { Path } from '../core/path.ts'
import { nothing, parseSubnet, type Ranges, union } from '../istio/cidr.ts'
import { field, list, text } from '../istio/json.ts'
import { parseProtocol } from '../istio/protocol.ts'
import { parseSelector } from '../istio/selector.ts'
import { readExpiry } from './date.ts'
import { type NamespaceMatch, nameLabel, readNamespaceMatch, tenantLabelOf } from './namespaces.ts'
import type { PolicyProblem } from './problem.ts'
import type { PolicyDocument } from './read.ts'

/**
 * Reads a `namespaces` value. `trusted` says that tenants gain nothing by matching it; otherwise a selector on labels
 * that tenants may write is a problem.
 */
export function readNamespaces(
  document: PolicyDocument,
  path: Path,
  value: unknown,
  trusted: boolean,
  problems: PolicyProblem[],
): NamespaceMatch {
  const match = readNamespaceMatch(value)
  const selector = field(value, 'selector')
  if (selector === undefined) return match
  const at: Path = [...path, 'selector']
  const label = trusted ? undefined : tenantLabelOf(selector)
  if (label !== undefined) {
    const what = `label ${JSON.stringify(label)} can be written by those it would set free`
    problems.push(document.problem('tenantLabel', at, { what, fix: `name the namespaces, or select on ${nameLabel}` }))
  }
  const parsed = parseSelector(selector)
  if (!parsed.ok) problems.push(document.problem('badValue', at, { what: `the selector ${parsed.why}` }))
  return match
}

/** Reads address ranges; a bare address is a range of one. */
export function readRanges(
  document: PolicyDocument,
  path: Path,
  values: readonly unknown[],
  problems: PolicyProblem[],
): Ranges {
  let ranges = nothing
  for (const [i, value] of values.entries()) {
    const parsed = parseSubnet(text(value) ?? '')
    if (parsed.ok) ranges = union(ranges, parsed.value)
    else
      problems.push(
        document.problem('badRange', [...path, i], {
          what: `${JSON.stringify(text(value))} ${parsed.why}`,
          fix: 'write it like 10.0.0.0/16',
        }),
      )
  }
  return ranges
}

/** Reads an `expires` value; undefined where it is absent or no date. What lies in the past is said. */
export function readExpires(
  document: PolicyDocument,
  path: Path,
  value: unknown,
  now: number,
  problems: PolicyProblem[],
): number | undefined {
  const given = text(value)
  if (given === undefined) return undefined
  const expires = readExpiry(given)
  if (expires === undefined) {
    const what = `${JSON.stringify(given)} is no date`
    problems.push(document.problem('badDate', path, { what, fix: 'write it like 2027-06-30' }))
  } else if (expires <= now) {
    problems.push(document.problem('expired', path, { what: `expired ${given}`, fix: 'renew it or remove it' }))
  }
  return expires
}

/** Reads a port; the schema says what is wrong with one that cannot be read. */
export function readPort(entry: unknown): PortFact {
  const number = field(entry, 'number')
  return {
    number: typeof number === 'number' ? number : 0,
    protocol: parseProtocol(text(field(entry, 'protocol')) ?? ''),
  }
}

/** Returns the texts of a list; the schema says what is wrong with one that holds something else. */
export function strings(value: unknown): string[] {
  return list(value).filter(item => typeof item === 'string')
}
