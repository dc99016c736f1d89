import { docsBase } from '../src/core/evaluate.ts'
import type { Mutation } from '../src/core/mutation.ts'
import type { Param, Rule } from '../src/core/rule.ts'
import { enumerate } from '../src/core/text.ts'
import { readCases } from '../src/policy/cases.ts'
import { policyKinds, policySchema } from '../src/policy/schema.ts'
import { cell, generated } from './page.ts'
import { coveragePage, readThreats } from './threatpage.ts'

/** What pages are made from. */
export interface Sources {
  readonly rules: readonly Rule[]
  readonly mutations: readonly Mutation[]
}

/** Returns the text of every page made from the rules and mutations, by path. */
export function pages({ rules, mutations }: Sources, readText: (path: string) => string): Record<string, string> {
  const threats = readThreats(readText('src/rules/threats.yaml'))
  const cases = new Map(rules.map(rule => [rule.id, readCases(readText(`src/rules/${rule.id}/cases.yaml`))]))
  const texts: Record<string, string> = {
    'docs/rules.md': rulesPage(rules),
    'docs/mutations.md': mutationsPage(mutations),
    'docs/coverage.md': coveragePage(threats, rules, cases),
    'README.md': withTable(readText('README.md'), rules),
  }
  for (const kind of policyKinds) {
    const schema = {
      $id: `${docsBase.replace(/rules$/, 'schema')}/${kind}.json`,
      ...policySchema(kind, rules, mutations),
    }
    texts[`docs/schema/${kind}.json`] = `${JSON.stringify(schema, null, 2)}\n`
  }
  return texts
}

function rulesPage(rules: readonly Rule[]): string {
  const lines = [
    generated,
    '',
    '# Rules',
    '',
    'What Sallyport judges, and what it does about it where a policy says nothing (the baseline). A policy changes the',
    'action of a rule or of single messages under `spec.rules.<rule>`; see [the policy guide](policy.md).',
    '',
    ...ruleTable(rules, ''),
    '',
  ]
  for (const rule of rules) lines.push(...ruleSection(rule))
  return lines.join('\n')
}

function ruleTable(rules: readonly Rule[], base: string): string[] {
  return [
    '| rule | what it does |',
    '| --- | --- |',
    ...rules.map(rule => `| [\`${rule.id}\`](${base}#${rule.id}) | ${rule.summary} |`),
  ]
}

function ruleSection(rule: Rule): string[] {
  return [
    `## ${rule.id}`,
    '',
    `${rule.summary}.`,
    '',
    rule.risk,
    '',
    `Judges ${rule.judges.map(kind => `\`${kind}\``).join(', ')}${operations(rule)}.`,
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
  ]
}

function paramsTable(params: Readonly<Record<string, Param<unknown>>>): string[] {
  const rows = Object.entries(params).map(
    ([name, param]) => `| \`${name}\` | \`${JSON.stringify(param.default)}\` | ${cell(param.doc)} |`,
  )
  return rows.length === 0 ? [] : ['| param | default | meaning |', '| --- | --- | --- |', ...rows, '']
}

function mutationsPage(mutations: readonly Mutation[]): string {
  const lines = [
    generated.replace('src/rules', 'src/mutations'),
    '',
    '# Mutations',
    '',
    'What `/mutate` puts right in pods when they are created, so that nobody is refused for what can be cured. Only labels',
    'and annotations are ever touched, only of pods of governed namespaces, and only where the pod would otherwise be',
    'wrong. Templates (Deployments, Jobs, …) are never changed: they are judged as the pods that they become, and what a',
    'mutation takes away is listed as `cured`. A policy switches a mutation under `spec.mutations.<mutation>`:',
    '',
    '```yaml',
    'mutations:',
    '  set-injection:',
    '    params: {optOuts: true}',
    '    overrides:',
    '    - {namespaces: [batch-*], enabled: false}',
    '```',
    '',
    '| mutation | what it does | baseline |',
    '| --- | --- | --- |',
    ...mutations.map(
      ({ id, summary, enabled }) => `| [\`${id}\`](#${id}) | ${summary} | ${enabled ? 'enabled' : 'not enabled'} |`,
    ),
    '',
  ]
  for (const mutation of mutations) lines.push(...mutationSection(mutation))
  return lines.join('\n')
}

function mutationSection({ id, summary, detail, cures: names, params }: Mutation): string[] {
  const cured = names.map(name => {
    const [rule = '', message = ''] = name.split('/')
    return `\`${message}\` of [\`${rule}\`](rules.md#${rule})`
  })
  const cures = cured.length === 0 ? [] : [`Cures ${enumerate(cured)}.`, '']
  return [`## ${id}`, '', `${summary}.`, '', detail, '', ...cures, ...paramsTable(params)]
}

function operations(rule: Rule): string {
  return ` on ${rule.operations.join(', ')}, in ${rule.classes.join(', ')} namespaces`
}

/** Marks in README.md between which the table of rules stands. */
const tableStart = '<!-- rules: generated by `npm run generate` -->'
const tableEnd = '<!-- /rules -->'

function withTable(readme: string, rules: readonly Rule[]): string {
  const start = readme.indexOf(tableStart)
  const end = readme.indexOf(tableEnd)
  if (start < 0 || end < start) throw new Error('README.md has no marks for the table of rules')
  const table = ruleTable(rules, 'docs/rules.md').join('\n')
  return `${readme.slice(0, start + tableStart.length)}\n${table}\n${readme.slice(end)}`
}
