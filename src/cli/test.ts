import { basename, dirname } from 'node:path'
import { Command, Option } from 'commander'
import type { Policy } from '../core/policy.ts'
import { nearest } from '../core/text.ts'
import { mutations } from '../mutations/index.ts'
import { type Case, readCases } from '../policy/cases.ts'
import { loadPolicy } from '../policy/load.ts'
import { formatProblem } from '../policy/problem.ts'
import type { PolicySource } from '../policy/read.ts'
import { type TriedCase, testJson, testText } from '../report/test.ts'
import { rules } from '../rules/index.ts'
import { InputError, readTexts, standardInput, standardInputName } from './input.ts'
import { policyOption } from './option.ts'
import { tryCase } from './trial.ts'

interface TestFlags {
  readonly policy: readonly string[]
  readonly format: 'text' | 'json'
}

/** Builds `sallyport test`: tries a policy on cases that its authors keep. */
export function testCommand(): Command {
  return new Command('test')
    .description('try a policy on cases: objects, and what must come out of them')
    .argument('<path...>', 'files or folders of cases (docs/policy.md, "Testing a policy")')
    .addOption(policyOption())
    .addOption(new Option('--format <format>', 'how to print').choices(['text', 'json']).default('text'))
    .action(runTest)
}

/** A case with the file that it stands in. */
interface FiledCase {
  readonly file: string
  readonly entry: Case
}

function runTest(paths: readonly string[], flags: TestFlags): void {
  const shared = readTexts(flags.policy)
  // A folder of cases may hold the policy too, and manifests.
  const sources = readTexts(paths).filter(({ file }) => isNamed(file, paths) || /cases\.ya?ml$/.test(file))
  const filed = sources.flatMap(readFile)
  if (filed.length === 0) throw new InputError([`no cases in ${paths.join(', ')}`])
  const policies = new Policies(shared)
  const problems = filed.flatMap(({ file, entry }) => policies.problemsOf(file, entry))
  if (problems.length > 0) throw new InputError([...new Set(problems)])
  const tried = filed.map(
    ({ file, entry }): TriedCase => ({ file, name: entry.name, differences: tryCase(entry, policies.of(entry)) }),
  )
  process.stdout.write(flags.format === 'json' ? testJson(tried) : testText(tried))
  process.exitCode = tried.some(({ differences }) => differences.length > 0) ? 1 : 0
}

/** What is named itself is cases, whatever it is called; so is standard input. */
function isNamed(file: string, paths: readonly string[]): boolean {
  return paths.includes(file) || (file === standardInputName && paths.includes(standardInput))
}

function readFile({ file, text }: PolicySource): readonly FiledCase[] {
  try {
    return readCases(text).map(entry => ({ file, entry: { ...entry, rule: ruleOf(file, entry) } }))
  } catch (cause) {
    throw new InputError([`${file}: ${cause instanceof Error ? cause.message : String(cause)}`])
  }
}

/** A rule's own cases stand in its folder, and speak of that rule alone. */
function ruleOf(file: string, { rule }: Case): string | undefined {
  if (rule !== undefined) {
    if (rules.some(({ id }) => id === rule)) return rule
    const meant = nearest(
      rule,
      rules.map(({ id }) => id),
    )
    throw new Error(`no such rule: ${rule}${meant === undefined ? '' : `; did you mean "${meant}"?`}`)
  }
  const folder = basename(dirname(file))
  return basename(file) === 'cases.yaml' && rules.some(({ id }) => id === folder) ? folder : undefined
}

/** The policies of cases: the documents of `--policy` with those of a case after them. Many cases share one. */
class Policies {
  readonly #shared: readonly PolicySource[]
  readonly #known = new Map<string, ReturnType<typeof loadPolicy>>()

  constructor(shared: readonly PolicySource[]) {
    this.#shared = shared
  }

  problemsOf(file: string, entry: Case): readonly string[] {
    const outcome = this.#load(entry)
    return outcome.ok ? [] : outcome.problems.map(problem => `${file}: case "${entry.name}": ${formatProblem(problem)}`)
  }

  of(entry: Case): Policy {
    const outcome = this.#load(entry)
    if (!outcome.ok) throw new Error(`the policy of case "${entry.name}" was not looked at`)
    return outcome.policy
  }

  #load(entry: Case): ReturnType<typeof loadPolicy> {
    const text = entry.policy.map(document => JSON.stringify(document)).join('\n---\n')
    const key = `${entry.now} ${text}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const sources = text === '' ? this.#shared : [...this.#shared, { file: 'policy', text }]
    const loaded = loadPolicy(sources, { rules, mutations, now: entry.now })
    this.#known.set(key, loaded)
    return loaded
  }
}
