import { parse } from 'yaml'
import type { Rule } from '../src/core/rule.ts'
import type { Case } from '../src/policy/cases.ts'
import { cell, generated } from './page.ts'

/** One line of `src/rules/threats.yaml`. */
export interface Threat {
  readonly id: string
  /** The heading under which it stands. */
  readonly section: string
  readonly line: string
  readonly severity: string
  readonly reach: 'admission' | 'routes' | 'audit' | 'none' | 'harmless'
  readonly why?: string
  /** Why no rule stands against it yet; a threat has either this or a rule. */
  readonly open?: string
  /** What the rules that stand against it do not see yet. */
  readonly partly?: string
}

/** Returns the threats of the text of `src/rules/threats.yaml`, each with the heading above it. */
export function readThreats(text: string): readonly Threat[] {
  return text.split(/^# (?=[^\n]+\n- id: )/m).flatMap(part => {
    const end = part.indexOf('\n')
    const listed: readonly Omit<Threat, 'section'>[] = parse(part.slice(end)) ?? []
    return listed.map(threat => ({ ...threat, section: part.slice(0, end) }))
  })
}

/** What stands against a threat. */
interface Cover {
  readonly rule: string
  readonly message: string
  readonly cases: readonly string[]
}

/** Returns what stands against each threat: rule, message, and the cases that prove it. */
export function coverOf(rules: readonly Rule[], cases: ReadonlyMap<string, readonly Case[]>): Map<string, Cover[]> {
  const covers = new Map<string, Cover[]>()
  for (const rule of rules) {
    for (const [message, { threats }] of Object.entries(rule.messages)) {
      for (const threat of threats) {
        const proofs = (cases.get(rule.id) ?? []).filter(entry =>
          entry.expect.some(expected => expected.message === message && (expected.threat ?? threats[0]) === threat),
        )
        covers.set(threat, [
          ...(covers.get(threat) ?? []),
          { rule: rule.id, message, cases: proofs.map(proof => proof.name) },
        ])
      }
    }
  }
  return covers
}

/** What becomes of a threat, as the table counts it. */
type Standing = 'whole' | 'part' | 'in routes' | 'routes' | 'audit' | 'none' | 'harmless' | 'to come'

const standings: readonly (readonly [Standing, string])[] = [
  ['whole', 'a rule'],
  ['part', 'a rule, in part'],
  ['in routes', 'a rule, the rest needs routes'],
  ['routes', 'needs routes'],
  ['audit', 'needs the scan'],
  ['none', 'out of reach'],
  ['harmless', 'must pass'],
  ['to come', 'to come'],
]

/** Returns what becomes of a threat. */
export function standingOf(threat: Threat, isCovered: boolean): Standing {
  if (isCovered && threat.partly === undefined) return 'whole'
  if (isCovered) return threat.reach === 'routes' ? 'in routes' : 'part'
  return threat.reach === 'admission' ? 'to come' : threat.reach
}

/** Returns the page that says what stands against each threat, with counts for each section. */
export function coveragePage(
  threats: readonly Threat[],
  rules: readonly Rule[],
  cases: ReadonlyMap<string, readonly Case[]>,
): string {
  const covers = coverOf(rules, cases)
  const sections = Map.groupBy(threats, threat => threat.section)
  const shown = standings.filter(([standing]) => threats.some(isOf(standing, covers)))
  const row = (name: string, listed: readonly Threat[]): string =>
    line([
      name,
      String(listed.length),
      ...shown.map(([standing]) => String(listed.filter(isOf(standing, covers)).length)),
    ])
  return [
    generated,
    '',
    '# Coverage of threats',
    '',
    'Every known way around the egress rules, and what stands against it: a rule, with the cases that prove it; the',
    'analysis of how traffic leaves (routes); a scan of what already exists; or, out of reach of admission, what does it',
    'instead. What must pass is listed so that no rule refuses it by mistake. What a rule does not see is said beside it,',
    'after *not yet*: most often something that only shows in another place, where it is judged.',
    '',
    line(['', 'threats', ...shown.map(([, title]) => title)]),
    line(['---', '---', ...shown.map(() => '---')]),
    ...[...sections].map(([name, listed]) => row(`[${name}](#${anchorOf(name)})`, listed)),
    row('**all**', threats),
    '',
    ...[...sections].flatMap(([name, listed]) => [
      `## ${name}`,
      '',
      '| threat | severity | what it is | what stands against it |',
      '| --- | --- | --- | --- |',
      ...listed.map(threat => {
        const { id, severity } = threat
        return line([`\`${id}\``, severity, cell(threat.line), answer(threat, covers.get(id))])
      }),
      '',
    ]),
  ].join('\n')
}

function isOf(standing: Standing, covers: ReadonlyMap<string, unknown>): (threat: Threat) => boolean {
  return threat => standingOf(threat, covers.has(threat.id)) === standing
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

/** Returns the anchor that GitHub gives a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-')
}

function answer(threat: Threat, covers: readonly Cover[] | undefined): string {
  if (covers !== undefined) {
    const byRule = Map.groupBy(covers, cover => cover.rule)
    const rest = threat.partly === undefined ? [] : [`not yet: ${cell(threat.partly)}`]
    return [
      ...[...byRule].map(([rule, messages]) => `[\`${rule}\`](rules.md#${rule}) ${messages.map(proven).join(' · ')}`),
      ...rest,
    ].join('<br>')
  }
  if (threat.reach === 'none') return `out of reach: ${cell(threat.why ?? '')}`
  if (threat.reach === 'harmless') return 'passes'
  return cell(threat.open ?? '')
}

/** Names a message with a case that proves it, and says how many more there are. */
function proven({ message, cases }: Cover): string {
  const [first = '', ...more] = cases
  return `${message}: ${cell(first)}${more.length === 0 ? '' : ` (and ${more.length} more)`}`
}
