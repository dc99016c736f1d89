import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client'
import type { Evaluation } from '../core/evaluate.ts'
import { effectOf, type Verdict } from '../core/finding.ts'
import type { Policy } from '../core/policy.ts'
import type { Operation } from '../core/review.ts'

/** The numbers of one server. No object name, namespace, host or user is ever a label. */
export interface Metrics {
  /** Counts a judged review. */
  judged(operation: Operation, evaluation: Evaluation, seconds: number): void
  /** Counts a review that was refused unjudged, because its object is not one. */
  refused(seconds: number): void
  /** Says which policy is in force. */
  policy(policy: Policy): void
  /** Says when the serving certificate ends, milliseconds since the epoch. */
  certificate(notAfter: number): void
  /** Returns the exposition text and its content type. */
  expose(): Promise<{ readonly contentType: string; readonly body: string }>
}

/** Seconds: a review takes well under a millisecond, the API server waits three seconds. */
const buckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3]

/** Returns fresh metrics in a registry of their own. */
export function createMetrics(version: string): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const reviews = new Counter({
    name: 'sallyport_reviews_total',
    help: 'Reviews answered, by verdict and operation.',
    labelNames: ['verdict', 'operation'],
    registers,
  })
  const duration = new Histogram({
    name: 'sallyport_review_duration_seconds',
    help: 'Time from the parsed body of a review to its reply.',
    buckets,
    registers,
  })
  const findings = new Counter({
    name: 'sallyport_findings_total',
    help: 'Findings, by rule and what was done about them (exempt: permitted by an exemption).',
    labelNames: ['rule', 'enforcement_action'],
    registers,
  })
  const ruleErrors = new Counter({
    name: 'sallyport_rule_errors_total',
    help: 'Rules that threw, which is a fault of the guard.',
    labelNames: ['rule'],
    registers,
  })
  const notJudged = new Counter({
    name: 'sallyport_not_judged_total',
    help: 'Questions a rule could not decide because a fact is in neither policy nor inventory.',
    labelNames: ['rule'],
    registers,
  })
  const policyInfo = new Gauge({
    name: 'sallyport_policy_info',
    help: 'The policy in force, by revision; always 1.',
    labelNames: ['revision'],
    registers,
  })
  const approvedHosts = new Gauge({
    name: 'sallyport_approved_hosts',
    help: 'Approved hosts of the policy in force.',
    registers,
  })
  const expiry = new Gauge({
    name: 'sallyport_certificate_expiry_seconds',
    help: 'When the serving certificate ends, seconds since the epoch.',
    registers,
  })
  const build = new Gauge({
    name: 'sallyport_build_info',
    help: 'The version that runs; always 1.',
    labelNames: ['version'],
    registers,
  })
  build.set({ version }, 1)

  return {
    judged: (operation, evaluation, seconds) => {
      const verdict: Verdict = evaluation.verdict
      reviews.inc({ verdict, operation })
      duration.observe(seconds)
      for (const finding of evaluation.findings) {
        findings.inc({ rule: finding.rule, enforcement_action: finding.exemption ? 'exempt' : effectOf(finding) })
      }
      for (const { rule } of evaluation.ruleErrors) ruleErrors.inc({ rule })
      for (const { rule } of evaluation.notJudged) notJudged.inc({ rule })
    },
    refused: seconds => {
      reviews.inc({ verdict: 'deny', operation: 'unknown' })
      duration.observe(seconds)
    },
    policy: ({ revision, facts }) => {
      policyInfo.reset()
      policyInfo.set({ revision }, 1)
      approvedHosts.set(facts.approvedHosts.size)
    },
    certificate: notAfter => expiry.set(Math.floor(notAfter / 1000)),
    expose: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  }
}
