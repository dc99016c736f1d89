import type { EnforcementAction, Finding, Malformed, NotJudged, RuleError } from './finding.ts'
import type { Inventory } from './inventory.ts'
import type { Path } from './path.ts'
import type { ChosenRule, Policy } from './policy.ts'
import { fillSlots, type Place, type Rule, type Subject, type Tools } from './rule.ts'
import { printable, shorten } from './text.ts'
import type { Evidence } from './verdict.ts'

/** Where the rules are documented; a rule's anchor is its id. */
export const docsBase = 'https://sallyport.dev/rules'

/** Longest text of a slot in runes; longer ones are shortened in the middle. */
const slotLimit = 160

/** Longest `why` and longest `fix` in runes, however many slots they have; longer ones are shortened in the middle. */
const textLimit = 400

/**
 * Most findings and malformed fields of one rule about one object. Each host of an object may be refused for each of its
 * ports and namespaces, so that a few kilobytes make millions; with more, the rule stops and the object counts as
 * malformed.
 */
const reportLimit = 1_000

/** Where one object is judged: runs rules and collects what they say. */
export class Hearing implements Evidence {
  readonly findings: Finding[] = []
  readonly notJudged: NotJudged[] = []
  readonly ruleErrors: RuleError[] = []
  readonly malformed: Malformed[] = []
  readonly #subject: Subject
  readonly #policy: Policy
  readonly #inventory: Inventory
  readonly #now: number
  /** How much the rule that runs has reported. */
  #reports = 0

  constructor(subject: Subject, policy: Policy, inventory: Inventory, now: number) {
    this.#subject = subject
    this.#policy = policy
    this.#inventory = inventory
    this.#now = now
  }

  /** Runs a rule with the actions that the policy gives it in a namespace. */
  run(chosen: ChosenRule, namespace: string): void {
    const { rule, params, onUnknown } = chosen
    const { namespaceLabels } = this.#subject
    const actionIn = (message: string): EnforcementAction => chosen.actionOf(message, namespace, namespaceLabels)
    const strongest = chosen.strongestIn(namespace, namespaceLabels)
    if (strongest === 'off') return
    this.#reports = 0
    const tools: Tools<string, unknown> = {
      facts: this.#policy.facts,
      params,
      inventory: this.#inventory,
      now: this.#now,
      report: (message, at) => this.#report(rule, message, actionIn(message), at),
      notJudged: (path, unknown, fix) => this.notJudged.push({ rule: rule.id, path, unknown, fix, onUnknown }),
      malformed: (path, why, unread) => {
        this.#count()
        this.#blame(rule, strongest, path, why, unread)
      },
    }
    try {
      rule.check(this.#subject, tools)
    } catch (cause) {
      if (cause !== tooMuch) this.ruleErrors.push({ rule: rule.id, enforcementAction: strongest, cause })
      else
        this.#blame(rule, strongest, [], `${rule.id} finds more than ${reportLimit} faults and stops there`, 'unread')
    }
  }

  #count(): void {
    if (++this.#reports > reportLimit) throw tooMuch
  }

  #blame(rule: Rule, enforcementAction: EnforcementAction, path: Path, why: string, unread?: 'unread'): void {
    const fault = { rule: rule.id, enforcementAction, path, why: shorten(why, textLimit) }
    this.malformed.push(unread === undefined ? fault : { ...fault, unread: true })
  }

  #report(rule: Rule, id: string, enforcementAction: EnforcementAction, at: Place): void {
    const message = rule.messages[id]
    if (message === undefined) throw new Error(`rule ${rule.id} has no message ${id}`)
    if (enforcementAction === 'off') return
    this.#count()
    const value = at.value ?? ''
    const slots = Object.fromEntries(
      Object.entries({ value, ...at.slots }).map(([name, text]) => [name, printable(shorten(text, slotLimit))]),
    )
    this.findings.push({
      rule: rule.id,
      message: id,
      severity: message.severity,
      enforcementAction,
      path: at.path,
      value,
      why: shorten(fillSlots(message.why, slots), textLimit),
      fix: shorten(fillSlots(message.fix, slots), textLimit),
      docs: `${docsBase}#${rule.id}`,
      threats: message.threats,
    })
  }
}

/** Thrown to stop a rule that has reported enough. */
const tooMuch = Symbol('too much to report')
