import { docsBase } from '../core/evaluate.ts'
import type { Rule } from '../core/rule.ts'

/** Returns the rule's documentation as text for a terminal. */
export function explainText(rule: Rule): string {
  const lines = [
    rule.id,
    `  ${rule.summary}.`,
    '',
    ...wrap(rule.risk.replaceAll('`', ''), 100).map(line => `  ${line}`),
    '',
    `  judges ${rule.judges.join(', ')}`,
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
