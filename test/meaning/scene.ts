import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { judgeCase } from '../../src/cli/trial.ts'
import type { Finding } from '../../src/core/finding.ts'
import { formatPath } from '../../src/core/path.ts'
import type { Policy } from '../../src/core/policy.ts'
import { type Case, readCases } from '../../src/policy/cases.ts'
import { loadPolicy } from '../../src/policy/load.ts'
import { formatProblem } from '../../src/policy/problem.ts'
import { rules } from '../../src/rules/index.ts'

const folder = join(import.meta.dirname, '../../src/rules')

/** A case of a rule with that rule. */
export type RuleCase = Case & { readonly rule: string }

/** The cases of all rules, each to be judged by its own. */
export const cases: readonly RuleCase[] = rules.flatMap(({ id }) =>
  readCases(readFileSync(join(folder, id, 'cases.yaml'), 'utf8')).map(entry => ({ ...entry, rule: id })),
)

const policies = new Map<string, Policy>()

/** Returns the policy of a case. */
export function policyOf(entry: Case): Policy {
  const text = entry.policy.map(document => JSON.stringify(document)).join('\n---\n')
  const key = `${entry.now} ${text}`
  const known = policies.get(key)
  if (known !== undefined) return known
  const loaded = loadPolicy([{ file: 'policy', text }], { rules, now: entry.now })
  if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join('\n'))
  policies.set(key, loaded.policy)
  return loaded.policy
}

/** What is said of a case, a line for each finding and each thing that was not judged, sorted. */
export type Said = readonly string[]

/** Returns what the rule of a case says of it; `show` writes a finding down, by default with its place and its value. */
export function said(
  entry: RuleCase,
  show: (finding: Finding) => string = ({ message, path, value, preexisting }) =>
    `${message} ${formatPath(path)} ${JSON.stringify(value)}${preexisting === true ? ' preexisting' : ''}`,
): Said {
  const { findings, notJudged, malformed, ruleErrors } = judgeCase(entry, policyOf(entry))
  return [
    ...findings.map(show),
    ...notJudged.map(({ path }) => `not judged ${formatPath(path)}`),
    ...malformed.map(({ path }) => `malformed ${formatPath(path)}`),
    ...ruleErrors.map(({ cause }) => `error ${String(cause)}`),
  ].sort()
}
