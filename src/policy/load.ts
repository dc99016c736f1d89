import { createHash } from 'node:crypto'
import type { Mutation } from '../core/mutation.ts'
import type { Policy } from '../core/policy.ts'
import type { Rule } from '../core/rule.ts'
import { documentChecker } from './check.ts'
import { compile } from './compile.ts'
import { gather } from './gather.ts'
import type { PolicyProblem } from './problem.ts'
import { type PolicySource, readDocuments } from './read.ts'

/** What a policy is loaded with. */
export interface LoadOptions {
  readonly rules: readonly Rule[]
  /** Mutations that the policy may speak of; none where absent. */
  readonly mutations?: readonly Mutation[]
  /** Moment at which expiries are looked at, milliseconds since the epoch. */
  readonly now: number
  /** The guard's own namespace, which it does not govern. */
  readonly guardNamespace?: string
}

/** A policy with what its authors should know of, or everything that is wrong with it: never a half-loaded one. */
export type LoadOutcome =
  | { readonly ok: true; readonly policy: Policy; readonly notices: readonly PolicyProblem[] }
  | { readonly ok: false; readonly problems: readonly PolicyProblem[] }

/** One list, since checkers are kept by it. */
const none: readonly Mutation[] = []

/** Where the chart installs the guard. */
const defaultGuardNamespace = 'sallyport-system'

/**
 * Loads the policy that all sources make together; none at all is the built-in baseline. Problems of all files come at
 * once, in the order of sources and lines.
 */
export function loadPolicy(sources: readonly PolicySource[], options: LoadOptions): LoadOutcome {
  const { rules, now, mutations = none, guardNamespace = defaultGuardNamespace } = options
  const read = readDocuments(sources, documentChecker(rules, mutations))
  const { gathered, problems } = gather(read.documents, rules, now)
  const all = inOrder([...read.problems, ...problems.filter(problem => !read.isEcho(problem))], sources)
  const errors = all.filter(problem => !isNotice(problem))
  if (errors.length > 0) return { ok: false, problems: all }
  return {
    ok: true,
    policy: compile(gathered, { rules, mutations, revision: revisionOf(sources), guardNamespace }),
    notices: all,
  }
}

/** Returns true for what the author should know but which stops nothing. */
export function isNotice(problem: PolicyProblem): boolean {
  return problem.code.startsWith('SP2')
}

function inOrder(problems: readonly PolicyProblem[], sources: readonly PolicySource[]): readonly PolicyProblem[] {
  const rank = new Map(sources.map((source, i) => [source.file, i]))
  return problems.toSorted(
    (a, b) => (rank.get(a.file) ?? 0) - (rank.get(b.file) ?? 0) || a.line - b.line || a.column - b.column,
  )
}

function revisionOf(sources: readonly PolicySource[]): string {
  const hash = createHash('sha256')
  for (const source of sources) hash.update(`${source.text.length}\n`).update(source.text)
  return hash.digest('hex').slice(0, 12)
}
