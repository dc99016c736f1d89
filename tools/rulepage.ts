import { stringify } from 'yaml'
import { judgeCase } from '../src/cli/trial.ts'
import { effectOf } from '../src/core/finding.ts'
import { isNamespaced, kindOf, refOf } from '../src/core/kind.ts'
import type { Policy } from '../src/core/policy.ts'
import type { Param, Rule } from '../src/core/rule.ts'
import type { Fields } from '../src/istio/json.ts'
import { podTemplateOf, workloadKinds } from '../src/istio/workload.ts'
import type { Case } from '../src/policy/cases.ts'
import { loadPolicy } from '../src/policy/load.ts'
import { policyApiVersion } from '../src/policy/schema.ts'
import { cell, generated } from './page.ts'

/** Returns the page of all rules. */
export function rulesPage(rules: readonly Rule[], cases: ReadonlyMap<string, readonly Case[]>): string {
  const lines = [
    generated,
    '',
    '# Rules',
    '',
    'What Sallyport judges, and what it does about it where a policy says nothing (the baseline). A policy changes the',
    'action of a rule or of single messages under `spec.rules.<rule>`; see [the policy guide](policy.md). Examples are',
    'cases of the rule itself, shown with what it says of them.',
    '',
    ...ruleTable(rules, ''),
    '',
  ]
  for (const rule of rules) lines.push(...ruleSection(rule, rules, cases.get(rule.id) ?? []))
  return lines.join('\n')
}

/** Returns the table of rules, with links below a page. */
export function ruleTable(rules: readonly Rule[], base: string): string[] {
  return [
    '| rule | what it does |',
    '| --- | --- |',
    ...rules.map(rule => `| [\`${rule.id}\`](${base}#${rule.id}) | ${rule.summary} |`),
  ]
}

/** Returns the table of the params of a rule or mutation; nothing where it has none. */
export function paramsTable(params: Readonly<Record<string, Param<unknown>>>): string[] {
  const rows = Object.entries(params).map(
    ([name, param]) => `| \`${name}\` | \`${JSON.stringify(param.default)}\` | ${cell(param.doc)} |`,
  )
  return rows.length === 0 ? [] : ['| param | default | meaning |', '| --- | --- | --- |', ...rows, '']
}

function ruleSection(rule: Rule, rules: readonly Rule[], cases: readonly Case[]): string[] {
  return [
    `## ${rule.id}`,
    '',
    `${rule.summary}.`,
    '',
    `**What goes wrong.** ${rule.risk}`,
    '',
    `**When it stops a team.** ${rule.team}`,
    '',
    `Judges ${judged(rule)} on ${rule.operations.join(', ')}, in ${rule.classes.join(', ')} namespaces.`,
    ...(rule.reads.length > 0 ? [`Looks up ${rule.reads.map(kind => `\`${kind}\``).join(', ')}.`] : []),
    ...(rule.facts.length > 0 ? [`Reads the facts ${rule.facts.map(fact => `\`${fact}\``).join(', ')}.`] : []),
    '',
    '| message | severity | baseline | what it says | what to do |',
    '| --- | --- | --- | --- | --- |',
    ...Object.entries(rule.messages).map(
      ([id, message]) =>
        `| \`${id}\` | ${message.severity} | ${message.enforcementAction} | ${cell(message.why)} | ${cell(message.fix)} |`,
    ),
    '',
    ...paramsTable(rule.params),
    ...examples(rule, rules, cases),
  ]
}

/** Names what a rule judges: pods and everything with a template of pods in one word. */
function judged({ judges }: Rule): string {
  const isWorkloads = workloadKinds.every(kind => judges.includes(kind))
  const rest = isWorkloads ? judges.filter(kind => !workloadKinds.includes(kind)) : judges
  const named = rest.map(kind => (kind.startsWith('*.') ? `every kind of \`${kind.slice(2)}\`` : `\`${kind}\``))
  return [...(isWorkloads ? ['pods and all templates of pods'] : []), ...named].join(', ')
}

/** Shows one case that the rule finds and one that passes, and the exemption that would permit the first. */
function examples(rule: Rule, rules: readonly Rule[], cases: readonly Case[]): string[] {
  const [first] = Object.keys(rule.messages)
  const finding = cases.filter(({ expect }) => expect.length > 0)
  const main = finding.filter(({ expect }) => expect[0]?.message === first)
  const found = example(main.length > 0 ? main : finding)
  if (found === undefined) return []
  const kind = (entry: Case): string => String(entry.object['kind'])
  const passing = cases.filter(
    ({ expect, notJudged, malformed }) => [...expect, ...notJudged, ...malformed].length === 0,
  )
  const same = passing.filter(entry => kind(entry) === kind(found))
  const passed = example(same.length > 0 ? same : passing)
  return [
    ...shown('Found', found),
    ...said(rule, rules, found),
    ...(passed === undefined ? [] : shown('Passes', passed)),
    ...exemption(rule, found),
  ]
}

/** Returns the case that is marked to be shown, else the shortest that needs least besides its object. */
function example(cases: readonly Case[]): Case | undefined {
  const cost = (entry: Case): number =>
    JSON.stringify(entry.object).length +
    (entry.oldObject === undefined ? 0 : 400) +
    (entry.operation === 'CREATE' ? 0 : 200)
  return cases.find(entry => entry.example) ?? cases.toSorted((a, b) => cost(a) - cost(b))[0]
}

function shown(title: string, entry: Case): string[] {
  const how = [
    entry.operation === 'CREATE' ? '' : entry.operation,
    entry.subresource,
    entry.as === undefined ? '' : `asked for by ${entry.as}`,
  ].filter(part => part !== '')
  return [
    `${title}: ${entry.name}${how.length === 0 ? '' : ` (${how.join(', ')})`}.`,
    '',
    '```yaml',
    stringify(entry.object, { lineWidth: 110 }).trimEnd(),
    '```',
    '',
  ]
}

function said(rule: Rule, rules: readonly Rule[], entry: Case): string[] {
  const { findings } = judgeCase({ ...entry, rule: rule.id }, policyOf(entry, rules))
  return findings.flatMap(finding => [
    `> **${effectOf(finding)}** \`${entry.expect.find(expected => expected.message === finding.message)?.path}\`: ${finding.why}  `,
    `> fix: ${finding.fix}`,
    '',
  ])
}

function policyOf(entry: Case, rules: readonly Rule[]): Policy {
  const text = entry.policy.map(document => JSON.stringify(document)).join('\n---\n')
  const loaded = loadPolicy([{ file: 'policy', text }], { rules, now: entry.now })
  if (!loaded.ok) throw new Error(`case "${entry.name}" has a bad policy`)
  return loaded.policy
}

/** Writes the exemption down as a platform would: of a template, for the pods that its controller makes as well. */
function exemption(rule: Rule, entry: Case): string[] {
  const [expected] = entry.expect
  if (expected === undefined || entry.operation === 'CONNECT') return []
  const ref = { ...refOf(entry.object) }
  const kind = kindOf(ref.group, ref.kind)
  const isTemplate = kind !== 'Pod' && workloadKinds.includes(kind)
  const target = {
    ...(ref.group === '' ? {} : { group: ref.group }),
    kind: ref.kind,
    ...(isNamespaced(kind) ? { namespace: ref.namespace === '' ? 'default' : ref.namespace } : {}),
    name: ref.name === '' ? '*' : ref.name,
  }
  const document = {
    apiVersion: policyApiVersion,
    kind: 'EgressExemptions',
    metadata: { name: 'exceptions' },
    spec: {
      exemptions: [
        {
          name: `${rule.id}-for-${target.name === '*' ? 'these' : target.name}`.toLowerCase(),
          rule: rule.id,
          [isTemplate ? 'workload' : 'object']: target,
          path: isTemplate ? seenFromPod(expected.path, kind, entry.object) : expected.path,
          value: expected.value ?? '',
          owner: 'the team that answers for it',
          reason: 'why it is needed, and what holds the risk meanwhile',
          expires: '2027-06-30',
        },
      ],
    },
  }
  return [
    'To permit it, with an owner, a reason and an end:',
    '',
    '```yaml',
    stringify(document, { lineWidth: 110 }).trimEnd(),
    '```',
    '',
  ]
}

/** Returns a path below a template as its pods have it. */
function seenFromPod(path: string, kind: string, object: Fields): string {
  const prefix = podTemplateOf(kind, object)?.root.join('.')
  return prefix !== undefined && path.startsWith(`${prefix}.`) ? path.slice(prefix.length + 1) : path
}
