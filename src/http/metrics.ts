import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client'
import type { Evaluation } from '../core/evaluate.ts'
import { effectOf, type Verdict } from '../core/finding.ts'
import type { Policy } from '../core/policy.ts'
import type { Operation } from '../core/review.ts'
import { type ClusterMetrics, type ClusterVitals, registerClusterMetrics } from './clustermetrics.ts'
import { refusalStatuses } from './refusal.ts'
import type { ReloadOutcome } from './reload.ts'
import { noVitals, registerVitals, type Vitals } from './vitals.ts'

/** Where an error came from that nobody caught, in Node's words. */
export type CrashOrigin = 'uncaughtException' | 'unhandledRejection'

/** The numbers of one server. No object name, namespace, host or user is ever a label. */
export interface Metrics {
  /** Counts a judged review. */
  judged(operation: Operation, evaluation: Evaluation, seconds: number): void
  /** Counts a review that was refused unjudged, because its object is not one. */
  refused(seconds: number): void
  /** Counts a review of the mutating endpoint, and the mutations made in it. */
  mutated(ids: readonly string[], seconds: number): void
  /** Counts a refusal that waits for what it misses; the promise tells whether that turned it. */
  waits(turned: Promise<boolean>): void
  /** Returns how many refusals wait. */
  waiting(): number
  /** Counts a request that got an HTTP error. */
  rejected(status: number): void
  /** Counts a request that came too late to be judged. */
  shed(): void
  /** Counts a connection that was turned away, since there are too many. */
  connectionDropped(): void
  /** Counts a TLS handshake that failed or was abandoned. */
  tlsFailed(): void
  /** Counts an error that nobody caught. */
  crashed(origin: CrashOrigin): void
  /** Says which policy is in force. */
  policy(policy: Policy): void
  /** Says when the serving certificate ends, and that it is served as of now; milliseconds since the epoch. */
  certificate(notAfter: number, now: number): void
  /** Says what became of a look at the certificate files. */
  reloaded(outcome: ReloadOutcome): void
  /** Adds the numbers of a guard in a cluster. */
  cluster(vitals: ClusterVitals): ClusterMetrics
  /** Names further sources that are asked when somebody reads the metrics. */
  watch(vitals: Partial<Vitals>): void
  /** Returns the exposition text and its content type. */
  expose(): Promise<{ readonly contentType: string; readonly body: string }>
}

/** Seconds: a review takes well under a millisecond, the API server waits three seconds. */
const buckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3]

/** Returns fresh metrics in a registry of their own. */
export function createMetrics(version: string): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const counter = <T extends string>(name: string, help: string, ...labelNames: T[]): Counter<T> =>
    new Counter({ name: `sallyport_${name}`, help, labelNames, registers })
  const gauge = <T extends string>(name: string, help: string, ...labelNames: T[]): Gauge<T> =>
    new Gauge({ name: `sallyport_${name}`, help, labelNames, registers })

  const reviews = counter('reviews_total', 'Reviews answered, by verdict and operation.', 'verdict', 'operation')
  const mutationReviews = counter(
    'mutation_reviews_total',
    'Reviews of /mutate, by whether the pod was patched or left unchanged.',
    'outcome',
  )
  const mutations = counter('mutations_total', 'Mutations made in pods.', 'mutation')
  const duration = new Histogram({
    name: 'sallyport_review_duration_seconds',
    help: 'Time from the parsed body of a review to its reply.',
    buckets,
    registers,
  })
  const findings = counter(
    'findings_total',
    'Findings, by rule and what was done about them (exempt: permitted by an exemption).',
    'rule',
    'enforcement_action',
  )
  const ruleErrors = counter('rule_errors_total', 'Rules that threw, which is a fault of the guard.', 'rule')
  const notJudged = counter(
    'not_judged_total',
    'Questions a rule could not decide because a fact is in neither policy nor inventory.',
    'rule',
  )
  const rejections = counter('http_rejections_total', 'Requests answered with an HTTP error, by status.', 'status')
  const sheds = counter('deadline_sheds_total', 'Requests that were too late to be judged, and told to come again.')
  const dropped = counter('connections_dropped_total', 'Connections turned away because there were too many.')
  const tlsErrors = counter(
    'tls_errors_total',
    'TLS handshakes that failed or were abandoned; some are normal, as API servers give up spare connections.',
  )
  const crashes = counter('crashes_total', 'Errors that nobody caught; the process ends soon after.', 'origin')
  const waits = counter(
    'absence_waits_total',
    'Refusals that waited for an object which was not there, by whether it came and turned them.',
    'outcome',
  )
  let waiting = 0
  const policyInfo = gauge('policy_info', 'The policy in force, by revision; always 1.', 'revision')
  const approvedHosts = gauge('approved_hosts', 'Approved hosts of the policy in force.')
  const expiry = gauge('certificate_expiry_seconds', 'When the serving certificate ends, seconds since the epoch.')
  const since = gauge('certificate_served_since_seconds', 'Since when it is served, seconds since the epoch.')
  const reloads = counter(
    'certificate_reloads_total',
    'Changed certificate files, by what became of them: served, or refused because they may not be.',
    'outcome',
  )
  const refusedFiles = gauge('certificate_refused', '1 while the files hold something else that may not be served.')
  gauge('build_info', 'The version that runs; always 1.', 'version').set({ version }, 1)
  // Alerts want a zero before the first one.
  for (const status of refusalStatuses) rejections.inc({ status }, 0)
  for (const outcome of ['served', 'refused'] as const) reloads.inc({ outcome }, 0)
  for (const origin of ['uncaughtException', 'unhandledRejection'] as const) crashes.inc({ origin }, 0)
  refusedFiles.set(0)

  const vitals: Vitals = { ...noVitals }
  registerVitals(registry, vitals)

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
    mutated: (ids, seconds) => {
      mutationReviews.inc({ outcome: ids.length === 0 ? 'unchanged' : 'patched' })
      for (const mutation of ids) mutations.inc({ mutation })
      duration.observe(seconds)
    },
    waits: turned => {
      waiting += 1
      void turned
        .then(
          isTurned => waits.inc({ outcome: isTurned ? 'turned' : 'refused' }),
          () => undefined,
        )
        .finally(() => {
          waiting -= 1
        })
    },
    waiting: () => waiting,
    rejected: status => rejections.inc({ status }),
    shed: () => sheds.inc(),
    connectionDropped: () => dropped.inc(),
    tlsFailed: () => tlsErrors.inc(),
    crashed: origin => crashes.inc({ origin }),
    policy: ({ revision, facts }) => {
      policyInfo.reset()
      policyInfo.set({ revision }, 1)
      approvedHosts.set(facts.approvedHosts.size)
    },
    certificate: (notAfter, now) => {
      expiry.set(Math.floor(notAfter / 1000))
      since.set(Math.floor(now / 1000))
    },
    reloaded: outcome => {
      if (outcome === 'served' || outcome === 'refused') reloads.inc({ outcome })
      if (outcome === 'refused') refusedFiles.set(1)
      else if (outcome === 'served' || outcome === 'unchanged') refusedFiles.set(0)
    },
    cluster: source => registerClusterMetrics(registry, source),
    watch: sources => Object.assign(vitals, sources),
    expose: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  }
}
