import { Command, InvalidArgumentError, Option } from 'commander'
import { inventoryOf } from '../core/inventory.ts'
import { differences } from '../core/mesh.ts'
import { formatPath } from '../core/path.ts'
import type { Policy } from '../core/policy.ts'
import type { Operation, Requester } from '../core/review.ts'
import { printable } from '../core/text.ts'
import { type CheckedDocument, checkJson, checkText } from '../report/check.ts'
import { InputError, loadObjects, loadPolicyPaths, readDocuments } from './input.ts'
import { collect, type FailOn, failOnOption, failsOn, inventoryOption, nowOption, policyOption } from './option.ts'
import { type JudgedDocument, judgeDocuments } from './plan.ts'

interface CheckFlags {
  readonly policy: readonly string[]
  readonly inventory: readonly string[]
  readonly format: 'text' | 'json'
  readonly failOn: FailOn
  readonly namespace: string
  readonly as?: string
  readonly asGroup: readonly string[]
  readonly operation?: Operation
  readonly sequence: boolean
  readonly now?: number
}

/** Builds `sallyport check`: judges manifests as the cluster would. */
export function checkCommand(): Command {
  return new Command('check')
    .description('judge manifests with the verdict that the cluster will give')
    .argument('<path...>', 'files, folders, or - for standard input')
    .addOption(policyOption())
    .addOption(inventoryOption())
    .addOption(new Option('--format <format>', 'how to print').choices(['text', 'json']).default('text'))
    .addOption(failOnOption())
    .option('-n, --namespace <name>', 'for manifests that name none', 'default')
    .option('--as <user>', 'judge as if this user asked')
    .option('--as-group <group>', 'a group of that user (repeatable)', collect, [])
    .option('--operation <operation>', 'create, update or delete; else update what the inventory holds', readOperation)
    .option('--sequence', 'judge one after the other; refused documents change nothing', false)
    .addOption(nowOption())
    .action(runCheck)
}

function readOperation(text: string): Operation {
  const operation = (['CREATE', 'UPDATE', 'DELETE'] as const).find(known => known.toLowerCase() === text)
  if (operation === undefined) throw new InvalidArgumentError('use create, update or delete')
  return operation
}

function runCheck(paths: readonly string[], flags: CheckFlags): void {
  if (flags.as === undefined && flags.asGroup.length > 0) throw new InputError(['--as-group needs --as'])
  const now = flags.now ?? Date.now()
  const { policy, notices } = loadPolicyPaths(flags.policy, now)
  const stored = loadObjects(flags.inventory)
  const documents = readDocuments(paths)
  // Nothing to judge is most often a slip in a path or a template, and must not pass for a clean result.
  if (documents.length === 0) throw new InputError([`no objects in ${paths.join(', ')}`])
  const requester: Requester | undefined =
    flags.as === undefined ? undefined : { username: flags.as, groups: [...flags.asGroup, 'system:authenticated'] }
  const judged = judgeDocuments(documents, policy, stored, {
    operation: flags.operation,
    sequence: flags.sequence,
    namespace: flags.namespace,
    requester,
    now,
  })
  refuseMalformed(judged)
  for (const line of [...notices, ...differences(policy.facts, inventoryOf(stored))]) console.error(`note: ${line}`)
  if (requester === undefined && needsRequester(judged, policy)) {
    console.error('note: who may write was not judged; name the requester with --as and --as-group')
  }
  for (const { review, evaluation } of judged) {
    for (const error of evaluation.ruleErrors)
      console.error(`rule error: ${error.rule} on ${review.ref.name}:`, error.cause)
  }
  const checked = judged.map(toChecked)
  process.stdout.write(flags.format === 'json' ? checkJson(checked) : checkText(checked))
  process.exitCode = judged.some(({ evaluation }) => failsOn(flags.failOn, evaluation)) ? 1 : 0
}

/** What a rule that refuses cannot read is an input error; the report says what the others cannot. */
function refuseMalformed(judged: readonly JudgedDocument[]): void {
  const lines = judged.flatMap(({ document, evaluation }) =>
    evaluation.malformed
      .filter(({ enforcementAction }) => enforcementAction === 'deny')
      .map(({ path, why }) => {
        const { line, column } = document.position(path)
        return printable(`${document.file}:${line}:${column} ${formatPath(path)}: ${why}`)
      }),
  )
  if (lines.length > 0) throw new InputError([...new Set(lines)])
}

function needsRequester(judged: readonly JudgedDocument[], policy: Policy): boolean {
  return judged.some(({ review }) =>
    policy.rulesFor(review.kind).some(({ rule }) => rule.outsideLaw && rule.facts.includes('identities')),
  )
}

function toChecked({ document, review, evaluation }: JudgedDocument): CheckedDocument {
  const { file, line } = document
  return { file, line, review, evaluation, position: path => document.position(path) }
}
