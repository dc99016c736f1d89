import { docsBase } from '../core/evaluate.ts'
import type { Rule } from '../core/rule.ts'
import { workloadKinds } from '../istio/workload.ts'

/** Returns the rule's documentation as text for a terminal. */
export function explainText(rule: Rule): string {
  const lines = [
    rule.id,
    `  ${rule.summary}.`,
    '',
    ...paragraph(rule.risk),
    '',
    ...paragraph(`When it stops a team: ${rule.team}`),
    '',
    ...paragraph(`judges ${judged(rule)}`),
    `  on ${rule.operations.join(', ')}, in ${rule.classes.join(', ')} namespaces`,
    ...(rule.facts.length === 0 ? [] : [`  reads the facts ${rule.facts.join(', ')}`]),
    ...(rule.reads.length === 0 ? [] : [`  looks up ${rule.reads.join(', ')}`]),
    '',
  ]
  for (const [id, message] of Object.entries(rule.messages)) {
    lines.push(
      `  ${id}  (${message.severity}, baseline: ${message.enforcementAction})`,
      `    ${message.why}`,
      `    fix: ${message.fix}`,
      `    against: ${message.threats.join(', ')}`,
      '',
    )
  }
  for (const [name, param] of Object.entries(rule.params)) {
    lines.push(`  params.${name}  (default ${JSON.stringify(param.default)})`, `    ${param.doc}`, '')
  }
  lines.push(`  ${docsBase}#${rule.id}`, '')
  return lines.join('\n')
}

function paragraph(text: string): string[] {
  return wrap(text.replaceAll('`', ''), 100).map(line => `  ${line}`)
}

/** Names what a rule judges: pods and everything with a template of pods in one word. */
function judged({ judges }: Rule): string {
  const isWorkloads = workloadKinds.every(kind => judges.includes(kind))
  const rest = isWorkloads ? judges.filter(kind => !workloadKinds.includes(kind)) : judges
  return [...(isWorkloads ? ['pods and all templates of pods'] : []), ...rest].join(', ')
}

/** Returns one line for each rule. */
export function rulesText(rules: readonly Rule[]): string {
  const width = Math.max(0, ...rules.map(rule => rule.id.length))
  return `${rules.map(rule => `${rule.id.padEnd(width)}  ${rule.summary}`).join('\n')}\n`
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
