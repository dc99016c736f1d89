import type { Phase } from '../../src/core/review.ts'
import { type Fields, isFields } from '../../src/istio/json.ts'
import { compareFixtures } from './injector/fixtures.ts'
import { FORGERIES, type Forgery, FURTHER_FORGERIES } from './injector/forgeries.ts'
import { INSTALLATIONS, type Installation, MODES } from './injector/installations.ts'
import { deploymentOf, type Judge, judgedThreats, judgeOf, ruleOf } from './injector/judge.ts'
import { oneOf, type Pod, some, wellBehaved } from './injector/pods.ts'
import { type Answer, askInjector, type Question } from './injector/program.ts'
import { type Random, seeded } from './questions.ts'

// Puts generated pods through Istio's real injector and judges what comes out with the baseline: nothing may be said of
// pods in which nothing is wrong, and every forgery that the injector lets through must be refused, in the final pod and
// in the template that a Deployment would make it from. Needs Go.
//
//   node test/conformance/injector.ts [--seed N] [--good N] [--forged N]

/** Installations in which every forgery has an effect of its own. */
const FORGED_INSTALLATIONS = INSTALLATIONS.filter(({ narrow }) => narrow === undefined)

/** How many problems of one class are printed in full. */
const SHOWN = 2

/** A generated pod with the installation that injects it. */
interface Sample {
  readonly question: Question
  readonly pod: Pod
  /** The same without what its author forged. */
  readonly genuine: Pod
  readonly installation: Installation
  /** What its author forged; nothing in a well-behaved pod. */
  readonly forgeries: readonly Forgery[]
}

/** What came of a forgery, and where that is a fault, what it shows. */
interface Outcome {
  readonly kind: string
  readonly fault?: string
}

/** Runs the whole suite; prints counts and every fault. */
export async function run({ seed = 1, good = 800, forged = 1500 } = {}): Promise<{ passed: number; failed: number }> {
  const { compared, differences } = compareFixtures()
  for (const difference of differences) console.log(`FIXTURE ${difference}`)
  console.log(`pods of a real cluster: ${compared} compared, ${differences.length} differences`)

  const random = seeded(seed)
  const samples = [
    ...Array.from({ length: good }, (_, i) => goodSample(random, `good-${i}`, oneOf(random, INSTALLATIONS))),
    ...Array.from({ length: forged }, (_, i) => forgedSample(random, `forged-${i}`)),
  ]
  const [judges, answers] = inject(samples)
  const tally = new Tally()
  for (const [i, sample] of samples.entries()) {
    const answer = answers[i] ?? { id: sample.pod.metadata.name, error: 'no answer' }
    const outcomes = judges(sample).map(seat => ({ knows: seat.knows, ...judge(sample, answer, seat) }))
    const [first, ...others] = outcomes
    const agree = others.every(({ kind }) => kind === first?.kind)
    for (const outcome of agree ? outcomes.slice(0, 1) : outcomes) tally.add(sample, outcome, answer, agree)
  }
  tally.print()
  const failed = tally.faults + differences.length
  return { passed: tally.judged + compared - failed, failed }
}

function goodSample(random: Random, name: string, installation: Installation): Sample {
  const mode = oneOf(random, MODES)
  const pod = wellBehaved(random, name, mode !== 'classic')
  return {
    installation,
    pod,
    genuine: pod,
    forgeries: [],
    question: { id: name, mode, values: installation.values, pod },
  }
}

function forgedSample(random: Random, name: string): Sample {
  const { installation, genuine, question } = goodSample(random, name, oneOf(random, FORGED_INSTALLATIONS))
  // It would win over the whole configuration, and not every installation redirects in the same mode.
  delete genuine.metadata.annotations['sidecar.istio.io/interceptionMode']
  const pod = structuredClone(genuine)
  const forgeries = forgeriesFor(random)
  for (const forgery of forgeries) forgery.apply(pod, random)
  return { installation, pod, genuine, forgeries, question: { ...question, pod, genuine } }
}

function forgeriesFor(random: Random): readonly Forgery[] {
  const further = [...FURTHER_FORGERIES].flatMap(([threat, forgery]) => (judgedThreats.has(threat) ? [forgery] : []))
  const all = [...FORGERIES, ...further]
  if (random(4) > 0) return [oneOf(random, all)]
  const several = some(random, 8, all)
  return several.length > 0 ? several : [oneOf(random, all)]
}

/** A judge, and what there is in the inventory. */
interface Seat {
  readonly knows: 'the namespace' | 'the installation'
  readonly judge: Judge
}

/** Returns for each sample those who judge it, and what came of it. */
function inject(samples: readonly Sample[]): readonly [(sample: Sample) => readonly Seat[], readonly Answer[]] {
  const keyOf = ({ question, installation }: Sample) => `${question.mode} ${installation.name}`
  const installed = [...new Map(samples.map(sample => [keyOf(sample), sample])).values()]
  const configurations = installed.map(({ question: { mode, values } }) => ({ id: 'configuration', mode, values }))
  const answers = askInjector([...configurations, ...samples.map(({ question }) => question)])
  const seats = new Map(
    installed.map((sample, i) => {
      const { objects } = answers[i] ?? {}
      if (objects === undefined) throw new Error(`${keyOf(sample)} has no configuration`)
      const ignorant: Seat = { knows: 'the namespace', judge: judgeOf(sample.installation, []) }
      const informed: Seat = { knows: 'the installation', judge: judgeOf(sample.installation, objects) }
      return [keyOf(sample), [ignorant, informed]]
    }),
  )
  return [sample => seats.get(keyOf(sample)) ?? [], answers.slice(installed.length)]
}

function judge(sample: Sample, answer: Answer, seat: Seat): Outcome {
  return sample.forgeries.length === 0 ? judgeGood(sample, answer, seat) : judgeForged(sample, answer, seat)
}

function judgeGood({ pod }: Sample, answer: Answer, { judge, knows }: Seat): Outcome {
  if (!isFields(answer.pod)) return { kind: 'REFUSED BY ISTIO', fault: `${answer.error}` }
  const said = (object: Fields, phase: Phase) => [
    ...judge.complaints(object, phase),
    ...(knows === 'the installation' ? judge.doubts(object, phase) : []),
  ]
  const final = said(answer.pod, 'final')
  if (final.length > 0) return { kind: 'FALSELY REFUSED', fault: final.join('\n') }
  const template = said(deploymentOf(pod), 'submitted')
  if (template.length > 0) return { kind: 'FALSELY REFUSED AS TEMPLATE', fault: template.join('\n') }
  return { kind: 'passes' }
}

function judgeForged(sample: Sample, answer: Answer, seat: Seat): Outcome {
  const { effect } = answer
  if (answer.error !== undefined) return { kind: 'refused by Istio' }
  if (!isFields(answer.pod) || !isFields(answer.genuine) || effect === undefined) throw new Error('incomplete answer')
  const refusals = beyond(seat.judge.refusals(answer.pod, 'final'), seat.judge.refusals(answer.genuine, 'final'))
  if (refusals.length > 0 && effect.kind !== 'invalid' && !refusesTemplate(sample, seat, refusals)) {
    return { kind: 'MISSED IN TEMPLATE', fault: refusals.join('\n') }
  }
  if (effect.kind === 'forged') {
    if (refusals.length > 0) return { kind: 'caught' }
    // Who knows the namespace alone must say so; with the installation known, the same pod has to be refused.
    const doubts = beyond(seat.judge.doubts(answer.pod, 'final'), seat.judge.doubts(answer.genuine, 'final'))
    const mayDoubt = seat.knows === 'the namespace' && doubts.length > 0
    return mayDoubt ? { kind: 'said not to be judged' } : { kind: 'MISSED', fault: effect.why.join('\n') }
  }
  if (effect.kind === 'invalid') return { kind: 'refused by the API server' }
  const name = effect.kind === 'weakened' ? 'less hardened' : 'neutral'
  return { kind: refusals.length > 0 ? `${name}, refused` : name }
}

/** Returns true where the template says as much as the final pod does, or one of the rules admits that it cannot tell. */
function refusesTemplate({ pod, genuine, forgeries }: Sample, { judge }: Seat, ofFinal: readonly string[]): boolean {
  if (forgeries.some(({ onlyFinal }) => onlyFinal)) return true
  const template = deploymentOf(pod)
  const ofTemplate = beyond(judge.refusals(template, 'submitted'), judge.refusals(deploymentOf(genuine), 'submitted'))
  if (ofTemplate.length > 0) return true
  const doubting = new Set(judge.doubts(template, 'submitted').map(ruleOf))
  return ofFinal.some(line => doubting.has(ruleOf(line)))
}

/** Returns what is said of a forged object and not of the genuine one: the rest is no answer to the forgery. */
function beyond(said: readonly string[], ofGenuine: readonly string[]): readonly string[] {
  // The same container may stand elsewhere in its list.
  const withoutIndexes = (line: string) => line.replace(/\[\d+\]/g, '[]')
  const known = new Set(ofGenuine.map(withoutIndexes))
  return said.filter(line => !known.has(withoutIndexes(line)))
}

/** Counts outcomes by forgery, and prints the first faults of each class. */
class Tally {
  judged = 0
  faults = 0
  readonly #counts = new Map<string, Map<string, number>>()

  /** `agree` says that it made no difference what was known. */
  add(
    { forgeries, question, pod, installation }: Sample,
    outcome: Outcome & Pick<Seat, 'knows'>,
    answer: Answer,
    agree: boolean,
  ): void {
    const { kind, fault } = outcome
    const known = agree ? '' : ` with ${outcome.knows} known`
    const [first, ...rest] = forgeries.map(({ name }) => name)
    const row = first === undefined ? 'well-behaved' : rest.length === 0 ? first : 'several together'
    const counts = this.#counts.get(row) ?? new Map<string, number>()
    const number = (counts.get(`${kind}${known}`) ?? 0) + 1
    this.#counts.set(row, counts.set(`${kind}${known}`, number))
    this.judged++
    if (fault === undefined) return
    this.faults++
    if (number > SHOWN) return
    const names = [first ?? row, ...rest].join(' + ')
    console.log(`\n${kind}${known}: ${names} (${question.mode}, ${installation.name})\n${fault}`)
    console.log(`submitted: ${JSON.stringify(pod)}\nfinal: ${JSON.stringify(answer.pod)}`)
  }

  print(): void {
    for (const [row, counts] of [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const shown = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([kind, number]) => `${number} ${kind}`)
      console.log(`${row}: ${shown.join(', ')}`)
    }
  }
}

if (import.meta.main) {
  const flag = (name: string, otherwise: number) => {
    const at = process.argv.indexOf(name)
    return at < 0 ? otherwise : Number(process.argv[at + 1])
  }
  const { passed, failed } = await run({
    seed: flag('--seed', 1),
    good: flag('--good', 800),
    forged: flag('--forged', 1500),
  })
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed > 0 ? 1 : 0
}
