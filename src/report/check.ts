import type { Evaluation } from '../core/evaluate.ts'
import { type Cure, compareText, effectOf, type Finding, type Malformed, type NotJudged } from '../core/finding.ts'
import { formatRef } from '../core/kind.ts'
import { formatPath, type Path } from '../core/path.ts'
import type { Review } from '../core/review.ts'
import { printable, shorten } from '../core/text.ts'

/** One judged document, as a report shows it. */
export interface CheckedDocument {
  readonly file: string
  readonly line: number
  readonly review: Review
  readonly evaluation: Evaluation
  /** Where a path of the object stands in the file. */
  position(path: Path): { readonly line: number; readonly column: number }
}

/** What a check came to. */
export interface CheckSummary {
  readonly documents: number
  readonly allow: number
  readonly warn: number
  readonly deny: number
  /** Findings that are not exempt. */
  readonly findings: number
  readonly exempt: number
}

/** Counts verdicts and findings. */
export function summarize(documents: readonly CheckedDocument[]): CheckSummary {
  const findings = documents.flatMap(document => document.evaluation.findings)
  const exempt = findings.filter(finding => finding.exemption !== undefined).length
  const count = (verdict: string): number =>
    documents.filter(document => document.evaluation.verdict === verdict).length
  return {
    documents: documents.length,
    allow: count('allow'),
    warn: count('warn'),
    deny: count('deny'),
    findings: findings.length - exempt,
    exempt,
  }
}

/** Returns the report as JSON of the format `sallyport.dev/check/v1`. */
export function checkJson(documents: readonly CheckedDocument[]): string {
  const report = {
    apiVersion: 'sallyport.dev/check/v1',
    documents: documents.map(jsonDocument),
    summary: summarize(documents),
  }
  return `${JSON.stringify(report, null, 2)}\n`
}

function jsonDocument(document: CheckedDocument): object {
  const { file, line, review, evaluation } = document
  return {
    file,
    line,
    object: review.ref,
    operation: review.operation,
    phase: review.phase,
    verdict: evaluation.verdict,
    findings: evaluation.findings.map(finding => jsonFinding(document, finding)),
    cured: evaluation.cured.map(cure => ({ ...jsonFinding(document, cure), mutation: cure.mutation })),
    notJudged: evaluation.notJudged.map(gap => ({
      ...gap,
      path: formatPath(gap.path),
      ...document.position(gap.path),
    })),
    malformed: evaluation.malformed.map(fault => ({
      ...fault,
      path: formatPath(fault.path),
      ...document.position(fault.path),
    })),
    ruleErrors: evaluation.ruleErrors.map(({ rule, enforcementAction }) => ({ rule, enforcementAction })),
  }
}

function jsonFinding(document: CheckedDocument, finding: Finding): object {
  return {
    rule: finding.rule,
    message: finding.message,
    severity: finding.severity,
    enforcementAction: finding.enforcementAction,
    path: formatPath(finding.path),
    ...document.position(finding.path),
    value: finding.value,
    why: finding.why,
    fix: finding.fix,
    docs: finding.docs,
    threats: finding.threats,
    ...(finding.exemption && { exemption: finding.exemption }),
    ...(finding.preexisting && { preexisting: true }),
  }
}

const verdicts = { deny: 'refused', warn: 'warned', allow: 'passes' } as const

/** Returns the report as text, grouped by object, for people. */
export function checkText(documents: readonly CheckedDocument[]): string {
  const lines = documents.flatMap(textDocument)
  const { documents: total, allow, warn, deny, exempt } = summarize(documents)
  const exemptions = exempt === 0 ? '' : `, ${exempt} finding${plural(exempt)} exempt`
  const totals = `${total} object${plural(total)}: ${deny} refused, ${warn} warned, ${allow} pass${allow === 1 ? 'es' : ''}${exemptions}`
  return `${[...lines, '', totals].join('\n')}\n`
}

function plural(count: number): string {
  return count === 1 ? '' : 's'
}

function textDocument(document: CheckedDocument): string[] {
  const { file, line, review, evaluation } = document
  const ref = printable(formatRef(review.ref))
  return [
    `${verdicts[evaluation.verdict]}  ${ref}  (${printable(file)}:${line})`,
    ...evaluation.findings.flatMap(finding => textFinding(document, finding)),
    ...evaluation.cured.flatMap(cure => textCure(document, cure)),
    ...evaluation.notJudged.flatMap(gap => textGap(document, gap)),
    ...evaluation.malformed.flatMap(fault => textFault(document, fault)),
    ...evaluation.ruleErrors
      .toSorted((a, b) => compareText(a.rule, b.rule))
      .map(error => `  rule error: ${error.rule} failed on this object; counted as ${error.enforcementAction}`),
  ]
}

/** What is said of a finding that does not do what its verdict says. */
function markOf(finding: Finding): string {
  if (finding.exemption !== undefined) {
    const { name, owner, expires } = finding.exemption
    return `exempt (${name}, ${owner}, until ${expires}): `
  }
  if (finding.preexisting === true) return 'was there before: '
  return { deny: '', warn: 'warning: ', dryrun: 'dryrun: ', off: '' }[effectOf(finding)]
}

function textFinding(document: CheckedDocument, finding: Finding): string[] {
  const { line, column } = document.position(finding.path)
  return [
    `  ${line}:${column} ${printable(shorten(formatPath(finding.path), 200))}`,
    `    ${printable(markOf(finding))}${finding.why}`,
    `    fix: ${finding.fix}`,
    `    ${finding.rule}, ${finding.severity}, ${finding.docs}`,
  ]
}

function textCure(document: CheckedDocument, cure: Cure): string[] {
  const { line, column } = document.position(cure.path)
  return [
    `  ${line}:${column} ${printable(shorten(formatPath(cure.path), 200))}`,
    `    cured at admission: ${cure.why}`,
    `    ${cure.rule}, ${cure.severity}, by mutation ${cure.mutation}`,
  ]
}

function textGap(document: CheckedDocument, gap: NotJudged): string[] {
  const { line, column } = document.position(gap.path)
  return [
    `  ${line}:${column} ${printable(shorten(formatPath(gap.path), 200))}`,
    `    not judged: ${printable(gap.unknown)}`,
    `    fix: ${printable(gap.fix)}`,
    `    ${gap.rule}, counted as ${gap.onUnknown}`,
  ]
}

function textFault(document: CheckedDocument, fault: Malformed): string[] {
  const { line, column } = document.position(fault.path)
  return [
    `  ${line}:${column} ${printable(shorten(formatPath(fault.path), 200))}`,
    `    malformed: ${printable(fault.why)}`,
    `    ${fault.rule}, counted as ${fault.enforcementAction}`,
  ]
}
