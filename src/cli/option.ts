import { InvalidArgumentError, Option } from 'commander'
import type { Evaluation } from '../core/evaluate.ts'
import { effectOf } from '../core/finding.ts'
import { readExpiry } from '../policy/date.ts'

/** Adds one more value of a repeatable option. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}

/** `--policy PATH`, repeatable. */
export function policyOption(): Option {
  return repeatable('--policy <path>', 'policy file or folder (repeatable); the built-in baseline without')
}

/** `--inventory PATH`, repeatable. */
export function inventoryOption(): Option {
  return repeatable('--inventory <path>', 'manifests of what the cluster holds, file or folder (repeatable)')
}

/** An option that may be given several times. */
export function repeatable(flags: string, description: string): Option {
  return new Option(flags, description).argParser(collect).default([], 'none')
}

/** The actions that `--fail-on` knows, the hardest first. */
const failActions = ['deny', 'warn', 'dryrun'] as const

/** An action from which on the command fails. */
export type FailOn = (typeof failActions)[number]

/** `--fail-on ACTION`. */
export function failOnOption(): Option {
  return new Option('--fail-on <action>', 'exit 1 from this action on').choices(failActions).default('deny')
}

/** Returns true where verdict or findings are at or above the action. */
export function failsOn(failOn: FailOn, evaluation: Evaluation): boolean {
  const failing = new Set<string>(failActions.slice(0, failActions.indexOf(failOn) + 1))
  return failing.has(evaluation.verdict) || evaluation.findings.some(finding => failing.has(effectOf(finding)))
}

/** `--now TIME`: the moment of judging, for reproducible runs. */
export function nowOption(): Option {
  return new Option('--now <time>', 'the moment of judging, like 2027-06-30T12:00:00Z; else the clock').argParser(
    readNow,
  )
}

function readNow(text: string): number {
  const time = text.includes('T') ? readExpiry(text) : Number.NaN
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  const now = time === undefined || Number.isNaN(time) ? day : time
  if (Number.isNaN(now)) throw new InvalidArgumentError('write it like 2027-06-30T12:00:00Z')
  return now
}
