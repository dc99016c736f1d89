import { Command, Option } from 'commander'
import { evaluate } from '../core/evaluate.ts'
import { writeRefusal } from '../http/admission.ts'
import { type Answer, answerMutate, answerValidate } from '../http/answer.ts'
import { readBody } from '../http/body.ts'
import { reviewText } from '../report/review.ts'
import {
  InputError,
  loadInventoryPaths,
  loadPolicyPaths,
  readBytes,
  standardInput,
  standardInputName,
} from './input.ts'
import { type FailOn, failOnOption, failsOn, inventoryOption, nowOption, policyOption } from './option.ts'

interface ReviewFlags {
  readonly policy: readonly string[]
  readonly inventory: readonly string[]
  readonly format: 'json' | 'text'
  readonly mutate: boolean
  readonly failOn: FailOn
  readonly now?: number
}

/** Builds `sallyport review`: answers recorded AdmissionReviews as the webhook does. */
export function reviewCommand(): Command {
  return new Command('review')
    .description('answer recorded AdmissionReviews, through the very code that serves the webhook')
    .argument('<file...>', 'one AdmissionReview, or JSON Lines of them; - for standard input')
    .option('--mutate', 'answer as /mutate does, instead of /validate', false)
    .addOption(policyOption())
    .addOption(inventoryOption())
    .addOption(
      new Option('--format <format>', 'json: the answers, a line each; text: for people')
        .choices(['json', 'text'])
        .default('json'),
    )
    .addOption(failOnOption())
    .addOption(nowOption())
    .action(runReview)
}

/** One body and where it was read. */
interface Body {
  readonly place: string
  readonly bytes: Uint8Array
}

function runReview(files: readonly string[], flags: ReviewFlags): void {
  const now = flags.now ?? Date.now()
  const { policy, notices } = loadPolicyPaths(flags.policy, now)
  const bench = { policy, inventory: loadInventoryPaths(flags.inventory) }
  const bodies = files.flatMap(file => [...readBodies(file)])
  if (bodies.length === 0) throw new InputError([`no reviews in ${files.join(', ')}`])
  for (const notice of notices) console.error(`note: ${notice}`)

  let unreadable = false
  let failing = false
  for (const { place, bytes } of bodies) {
    const body = readBody(bytes)
    const answer = (flags.mutate ? answerMutate : answerValidate)(body.ok ? body.value : undefined, bench, now)
    if (answer.outcome === 'not-a-review') {
      const why = body.ok ? 'is no AdmissionReview of admission.k8s.io/v1 with a request and its uid' : body.why
      console.error(`${place}: ${why}`)
      unreadable = true
      if (flags.format === 'json') print(writeRefusal('', 400, `${place}: ${why}`))
      continue
    }
    if (answer.outcome === 'fault') console.error(`${place}: the guard failed:`, answer.cause)
    failing ||= report(place, answer, flags, { ...bench, now })
  }
  process.exitCode = unreadable ? 2 : failing ? 1 : 0
}

/** Prints an answer, and returns whether it is bad enough to fail. */
function report(
  place: string,
  answer: Exclude<Answer, { outcome: 'not-a-review' }>,
  flags: ReviewFlags,
  bench: Parameters<typeof answerValidate>[1] & { readonly now: number },
): boolean {
  if (flags.format === 'json') print(answer.reply)
  if (answer.outcome === 'unreadable' || answer.outcome === 'fault') {
    if (flags.format === 'text')
      process.stdout.write(`refused  (${place})\n  ${answer.reply.response.status?.message}\n`)
    return true
  }
  const { policy, inventory, now } = bench
  // What /mutate leaves is judged by /validate, after the injector; here it is judged as it was submitted.
  const isMutated = answer.outcome === 'mutated'
  const evaluation = isMutated ? evaluate(answer.review, policy, inventory, now) : answer.evaluation
  const mutations = isMutated ? answer.mutated.made.map(({ id }) => id) : []
  for (const { rule, cause } of evaluation.ruleErrors) console.error(`${place}: rule error: ${rule}:`, cause)
  if (flags.format === 'text') {
    process.stdout.write(reviewText({ place, review: answer.review, evaluation, mutations, policy: policy.name }))
  }
  return failsOn(flags.failOn, evaluation)
}

function print(reply: object): void {
  process.stdout.write(`${JSON.stringify(reply)}\n`)
}

const newline = 0x0a

/** Yields the bodies of a file: the whole of it where it is one JSON value, else each line that is not empty. */
function* readBodies(file: string): Generator<Body, void, undefined> {
  const bytes = readBytes(file)
  const name = file === standardInput ? standardInputName : file
  const lines = [...linesOf(bytes)]
  const isOne = lines.length <= 1 || readBody(bytes).ok || !lines.some(line => readBody(line.bytes).ok)
  if (isOne && lines.length > 0) yield { place: name, bytes }
  else for (const { number, bytes: line } of lines) yield { place: `${name}:${number}`, bytes: line }
}

function* linesOf(bytes: Uint8Array): Generator<{ readonly number: number; readonly bytes: Uint8Array }> {
  for (let start = 0, number = 1; start < bytes.length; number++) {
    const end = bytes.indexOf(newline, start)
    const line = bytes.subarray(start, end < 0 ? bytes.length : end)
    // A carriage return and spaces are JSON's white space too.
    if (line.some(byte => byte !== 0x20 && byte !== 0x0d && byte !== 0x09)) yield { number, bytes: line }
    start = end < 0 ? bytes.length : end + 1
  }
}
