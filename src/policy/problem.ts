import { formatPath, type Path } from '../core/path.ts'
import { printable } from '../core/text.ts'

/**
 * What can be wrong with a policy. Codes are stable and never reused: tools may key on them.
 */
export const problemCodes = {
  unreadable: 'SP101',
  notAPolicy: 'SP102',
  unknownKey: 'SP103',
  wrongType: 'SP104',
  missingKey: 'SP105',
  notOneOf: 'SP106',
  noSuchRule: 'SP107',
  noSuchMessage: 'SP108',
  badHost: 'SP109',
  badRange: 'SP110',
  conflict: 'SP111',
  tenantLabel: 'SP112',
  badDate: 'SP113',
  badPath: 'SP114',
  badValue: 'SP115',
  noSuchGateway: 'SP116',
  ambiguousKind: 'SP117',
  canonicalised: 'SP201',
  expired: 'SP202',
  wideApproval: 'SP203',
} as const

/** Name of a thing that can be wrong with a policy. */
export type ProblemName = keyof typeof problemCodes

/** One thing wrong with a policy, at the place where its author can change it. */
export interface PolicyProblem {
  readonly code: string
  readonly file: string
  readonly line: number
  readonly column: number
  readonly path: Path
  /** One clause. */
  readonly what: string
  /** Imperative, or a question that offers the word probably meant; absent where `what` says it all. */
  readonly fix?: string
}

/** Returns `file:line:column path: what, fix`, one line. */
export function formatProblem(problem: PolicyProblem): string {
  const path = formatPath(problem.path)
  const place = `${problem.file}:${problem.line}:${problem.column}`
  const text =
    problem.fix === undefined
      ? problem.what
      : `${problem.what}${problem.fix.startsWith('did you mean') ? ';' : ','} ${problem.fix}`
  return printable(path === '' ? `${place}: ${text}` : `${place} ${path}: ${text}`)
}
