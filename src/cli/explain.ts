import { Command } from 'commander'
import { nearest } from '../core/text.ts'
import { explainText, rulesText } from '../report/explain.ts'
import { rules } from '../rules/index.ts'
import { InputError } from './input.ts'

/** Builds `sallyport explain`: says what a rule judges, why, and how to satisfy it. */
export function explainCommand(): Command {
  return new Command('explain')
    .description('say what a rule judges, why, and what to do; without a rule, list them')
    .argument('[rule]', 'id of a rule')
    .action(runExplain)
}

function runExplain(id: string | undefined): void {
  if (id === undefined) {
    process.stdout.write(rulesText(rules))
    return
  }
  const rule = rules.find(candidate => candidate.id === id)
  if (rule === undefined) {
    const meant = nearest(
      id,
      rules.map(candidate => candidate.id),
    )
    throw new InputError([`no such rule: ${id}${meant === undefined ? '' : `; did you mean "${meant}"?`}`])
  }
  process.stdout.write(explainText(rule))
}
