import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { docsBase, type Evaluation, evaluate } from '../src/core/evaluate.ts'
import type { Finding } from '../src/core/finding.ts'
import { type Inventory, inventoryOf, type Layer } from '../src/core/inventory.ts'
import { type Kind, kindOf, type ObjectRef, refOf } from '../src/core/kind.ts'
import { formatPath, type PatternSegment, parsePattern } from '../src/core/path.ts'
import type { Policy } from '../src/core/policy.ts'
import type { Review } from '../src/core/review.ts'
import { judgesKind, type Place, type Rule, type Subject, type Tools } from '../src/core/rule.ts'
import { type Fields, isFields } from '../src/istio/json.ts'
import { type Case, type ExpectedFinding, readCases } from '../src/policy/cases.ts'
import { loadPolicy } from '../src/policy/load.ts'
import { formatProblem } from '../src/policy/problem.ts'
import { rules } from '../src/rules/index.ts'

const folder = join(import.meta.dirname, '../src/rules')

/** Words that a fix may begin with: it tells what to do. */
const verbs = new Set(
  'apply correct define empty give have keep label mirror move name remove route see set take use write'.split(' '),
)

/** Longest `why` and longest `fix`, whatever the judged object holds. */
const textLimit = 400

const threatIds = new Set(
  (parse(readFileSync(join(folder, 'threats.yaml'), 'utf8')) as { id: string }[]).map(threat => threat.id),
)

/** What a rule looked up while it judged. */
interface Lookups {
  readonly kinds: Set<Kind>
  readonly facts: Set<string>
}

/** Everything needed to judge a case, deep-frozen. */
interface Scene {
  readonly review: Review
  readonly policy: Policy
  readonly objects: readonly Fields[]
  readonly knows: readonly Kind[]
}

function runCase(t: Test, rule: Rule, entry: Case, lookups: Lookups): void {
  const scene = stage(rule, entry, lookups)
  const inventory = inventoryOf(scene.objects, scene.knows)
  const judge = (review: Review, state: Inventory): Evaluation => evaluate(review, scene.policy, state, entry.now)
  const found = judge(scene.review, inventory)

  const expected = {
    errors: [],
    findings: entry.expect.map(expectedLine).sort(),
    notJudged: [...entry.notJudged].sort(),
    malformed: [...entry.malformed].sort(),
  }
  const actual = {
    errors: found.ruleErrors.map(({ cause }) => String(cause instanceof Error ? cause.stack : cause)),
    findings: found.findings.map(finding => lineOf(finding, entry.expect)).sort(),
    notJudged: found.notJudged.map(gap => formatPath(gap.path)).sort(),
    malformed: found.malformed.map(({ path }) => formatPath(path)).sort(),
  }
  t.strictSame(actual, expected, 'it finds what is expected, and does not throw')

  const places = [...entry.expect.map(({ path }) => path), ...entry.notJudged, ...entry.malformed]
  const faults = {
    pathsOutside: places.filter(text => !leadsInto(entry.object, text)),
    threatsOfNoMessage: entry.expect.filter(
      ({ message, threat }) => threat !== undefined && rule.messages[message]?.threats.includes(threat) !== true,
    ),
    ill: [
      ...found.findings.flatMap(finding => faultsOfText(rule, finding)),
      ...found.notJudged.flatMap(({ unknown, fix }) => [
        ...(/^[a-z"](?!.*[.!?]$)/.test(unknown) ? [] : [`no clause: ${unknown}`]),
        ...(/^[a-z]+ (?!.*[.!?]$)/.test(fix) ? [] : [`no imperative: ${fix}`]),
      ]),
    ],
    // Whatever stands in them.
    long: extremes(rule, scene, entry.now).flatMap(({ message, why, fix }) => [
      ...([...why].length <= textLimit ? [] : [`why of ${message}: ${[...why].length}`]),
      ...([...fix].length <= textLimit ? [] : [`fix of ${message}: ${[...fix].length}`]),
    ]),
  }
  const none = { pathsOutside: [], threatsOfNoMessage: [], ill: [], long: [] }
  t.strictSame(faults, none, 'what is said leads into the object, stands against its threats, and reads well')

  const reversed = inventoryOf(scene.objects.toReversed(), scene.knows)
  const again = { twice: judge(scene.review, inventory), reversed: judge(scene.review, reversed) }
  t.strictSame(again, { twice: found, reversed: found }, 'the same whenever judged, in any order of the inventory')
  if (entry.operation === 'CREATE' && !rule.outsideLaw) {
    const knows = [...scene.knows, scene.review.kind]
    const before = inventoryOf(scene.objects, knows)
    const after = inventoryOf([...scene.objects, entry.object], knows)
    t.strictSame(judge(scene.review, after), judge(scene.review, before), 'a scan finds what admission finds')
  }
  t.end()
}

function stage(rule: Rule, entry: Case, lookups: Lookups): Scene {
  const { object, oldObject, operation } = entry
  const ref = { ...refOf(object), ...entry.of }
  const review: Review = {
    uid: 'u-1',
    operation,
    kind: kindOf(ref.group, ref.kind),
    ref,
    subresource: entry.subresource,
    object: operation === 'DELETE' ? undefined : object,
    oldObject: operation === 'DELETE' ? object : oldObject,
    requester: entry.as === undefined ? undefined : { username: entry.as, groups: entry.groups },
    dryRun: false,
    phase: entry.phase,
  }
  const policy = only(observed(rule, lookups), loadCasePolicy(entry))
  return {
    review: frozen(review),
    policy: frozen(policy),
    objects: frozen(distinct(entry.inventory)),
    knows: entry.knows,
  }
}

/** Policies by moment and text: many cases share one. */
const policies = new Map<string, Policy>()

function loadCasePolicy(entry: Case): Policy {
  const text = entry.policy.map(document => JSON.stringify(document)).join('\n---\n')
  const key = `${entry.now} ${text}`
  const known = policies.get(key)
  if (known !== undefined) return known
  const loaded = loadPolicy([{ file: 'policy', text }], { rules, now: entry.now })
  if (loaded.ok) {
    policies.set(key, loaded.policy)
    return loaded.policy
  }
  throw new Error(`case "${entry.name}" has a bad policy:\n${loaded.problems.map(formatProblem).join('\n')}`)
}

/** Returns the policy with one rule only, put in the place of the one of its id. */
function only(rule: Rule, policy: Policy): Policy {
  const chosen = policy.rules.filter(choice => choice.rule.id === rule.id).map(choice => ({ ...choice, rule }))
  return { ...policy, rules: chosen, rulesFor: kind => (judgesKind(rule, kind) ? chosen : []) }
}

/** Returns the rule, writing down which kinds and facts it looks up; labels of its namespace are the Namespace's. */
function observed(rule: Rule, lookups: Lookups): Rule {
  const onRead = <T extends object>(target: T, note: (key: string) => void): T =>
    new Proxy(target, {
      get: (from, key) => {
        if (typeof key === 'string') note(key)
        return Reflect.get(from, key)
      },
    })
  return {
    ...rule,
    check(subject: Subject, tools: Tools<string, unknown>) {
      const facts = onRead(tools.facts, key => key !== 'namespaces' && lookups.facts.add(key))
      const watched = onRead(subject, key => key === 'namespaceLabels' && lookups.kinds.add('Namespace'))
      rule.check(watched, { ...tools, facts, inventory: new Recorder(tools.inventory, lookups.kinds) })
    },
  }
}

/** An inventory that writes down which kinds are looked up. */
class Recorder implements Inventory {
  readonly #inner: Inventory
  readonly #kinds: Set<Kind>

  constructor(inner: Inventory, kinds: Set<Kind>) {
    this.#inner = inner
    this.#kinds = kinds
  }

  knows(kind: Kind): boolean {
    this.#kinds.add(kind)
    return this.#inner.knows(kind)
  }

  find(kind: Kind, namespace: string, name: string): Fields | undefined {
    this.#kinds.add(kind)
    return this.#inner.find(kind, namespace, name)
  }

  list(kind: Kind, namespace?: string): readonly Fields[] {
    this.#kinds.add(kind)
    return this.#inner.list(kind, namespace)
  }

  layers(kind: Kind): Layer {
    this.#kinds.add(kind)
    return this.#inner.layers(kind)
  }

  with(ref: ObjectRef, object: Fields): Inventory {
    return new Recorder(this.#inner.with(ref, object), this.#kinds)
  }

  without(ref: ObjectRef): Inventory {
    return new Recorder(this.#inner.without(ref), this.#kinds)
  }
}

/** Returns the findings as they would read if every value in them were as long and as odd as can be. */
function extremes(rule: Rule, scene: Scene, now: number): readonly Finding[] {
  const odd = `${'\u0007'.repeat(100)}${'w'.repeat(3000)}.${'\u202e'.repeat(100)}`
  const stretch = (at: Place): Place => ({
    path: at.path,
    value: odd,
    slots: Object.fromEntries(Object.keys(at.slots ?? {}).map(name => [name, odd])),
  })
  const stretched: Rule = {
    ...rule,
    check: (subject, tools) =>
      rule.check(subject, { ...tools, report: (message, at) => tools.report(message, stretch(at)) }),
  }
  const inventory = inventoryOf(scene.objects, scene.knows)
  return evaluate(scene.review, only(stretched, scene.policy), inventory, now).findings
}

/** Returns a finding as one line; of value and action only what the expectation for this place names. */
function lineOf(finding: Finding, expectations: readonly ExpectedFinding[]): string {
  const { message, value, enforcementAction } = finding
  const path = formatPath(finding.path)
  const same = expectations.filter(expected => expected.message === message && expected.path === path)
  const expected = same.find(candidate => candidate.value === value) ?? same[0]
  return expectedLine({
    message,
    path,
    ...(expected?.value !== undefined && { value }),
    ...(expected?.enforcementAction !== undefined && { enforcementAction }),
    ...(finding.preexisting === true && { preexisting: true }),
    ...(finding.exemption !== undefined && { exempt: true }),
  })
}

function expectedLine({ message, path, value, enforcementAction, preexisting, exempt }: ExpectedFinding): string {
  const marks = [enforcementAction, preexisting && 'preexisting', exempt && 'exempt'].filter(mark => mark)
  return `${path}: ${message} ${value === undefined ? '' : JSON.stringify(value)} ${marks.join(' ')}`.trimEnd()
}

function leadsInto(object: unknown, path: string): boolean {
  const segments = parsePattern(path)
  if (segments === undefined) return false
  let here = object
  for (const segment of segments.slice(0, -1)) here = step(here, segment)
  return typeof here === 'object' && here !== null
}

function step(value: unknown, segment: PatternSegment): unknown {
  if (typeof segment === 'number') return Array.isArray(value) ? value[segment] : undefined
  return typeof segment === 'string' && isFields(value) && Object.hasOwn(value, segment) ? value[segment] : undefined
}

/** Returns what is wrong with a finding as people read it. */
function faultsOfText(rule: Rule, { message, why, fix, docs }: Finding): readonly string[] {
  const faults: readonly (readonly [boolean, string])[] = [
    [/^(?:[a-z"]|Istio |Envoy )/.test(why), `starts neither in lower case nor with what is quoted: ${why}`],
    [!/[.!?;,:]$/.test(why), `ends with a stop: ${why}`],
    [verbs.has(fix.split(' ')[0] ?? ''), `does not tell what to do: ${fix}`],
    [!/[.!?;,:]$/.test(fix), `ends with a stop: ${fix}`],
    [
      !/(?<!\\u)\{[a-z]+\}|[\n\r]|undefined|\[object/i.test(`${why} ${fix}`),
      `has a slot that is not filled: ${why}, ${fix}`,
    ],
    [docs === `${docsBase}#${rule.id}`, `leads to ${docs}`],
  ]
  return faults.flatMap(([holds, fault]) => (holds ? [] : [`${message}: ${fault}`]))
}

/** The words that stand in the rule itself. */
function checkWords(t: Test, rule: Rule): void {
  t.match(rule.id, /^(no|require)-[a-z-]+$/, 'id')
  t.match(rule.summary, /^(Disallow|Require) .+[^.]$/, 'summary')
  t.match(rule.risk, /^(?:[A-Z`]|istiod ).+\.$/, 'what goes wrong, in sentences')
  t.match(rule.team, /^[A-Z`].+\.$/, 'when it stops a team, in sentences')
  for (const [id, message] of Object.entries(rule.messages)) {
    t.notMatch(message.why, /[.!?] /, `${id}: why is one clause`)
    t.notMatch(`${message.why} ${message.fix}`, /https?:/, `${id}: links are computed`)
    for (const threat of message.threats) t.ok(threatIds.has(threat), `${id} names the known threat ${threat}`)
    t.ok(message.threats.length > 0, `${id} stands against a threat`)
  }
  t.end()
}

function checkTogether(t: Test, rule: Rule, cases: readonly Case[], lookups: Lookups): void {
  const expectations = cases.flatMap(entry => entry.expect)
  for (const [id, { threats }] of Object.entries(rule.messages)) {
    const own = expectations.filter(expected => expected.message === id)
    t.ok(own.length > 0, `a case finds ${id}`)
    for (const threat of threats) {
      const proofs = own.filter(expected => (expected.threat ?? threats[0]) === threat)
      t.ok(proofs.length > 0, `a case proves that ${id} stands against ${threat}`)
    }
  }
  const passes = cases.filter(
    ({ expect, notJudged, malformed }) => [...expect, ...notJudged, ...malformed].length === 0,
  )
  t.ok(passes.length > 0, 'a case passes')
  const names = cases.map(entry => entry.name)
  t.strictSame(repeated(names), [], 'names are unique')
  const isSentence = (name: string): boolean =>
    /^[a-z0-9"][^\n]*[^.\s]$/i.test(name) && name.split(' ').length >= 3 && name.length <= 120
  t.strictSame(
    names.filter(name => !isSentence(name)),
    [],
    'each is a sentence of three words or more without a stop',
  )
  t.strictSame(repeated(cases.map(({ name: _, ...rest }) => JSON.stringify(rest))), [], 'no two cases are equal')
  t.strictSame([...lookups.kinds].sort(), [...rule.reads].sort(), 'it looks up the kinds that it says it reads')
  t.strictSame([...lookups.facts].sort(), [...rule.facts].sort(), 'it reads the facts that it says it reads')
  t.end()
}

function repeated(texts: readonly string[]): readonly string[] {
  return texts.filter((text, i) => texts.indexOf(text) < i)
}

/** Returns the objects without those that a later one of the same kind and name replaces. */
function distinct(objects: readonly Fields[]): readonly Fields[] {
  const byRef = new Map(objects.map(object => [JSON.stringify(refOf(object)), object]))
  return [...byRef.values()]
}

/** Freezes a value and everything that can be reached from it by fields. */
function frozen<T>(value: T): T {
  const todo: unknown[] = [value]
  for (let next = todo.pop(); next !== undefined || todo.length > 0; next = todo.pop()) {
    if (typeof next !== 'object' || next === null || Object.isFrozen(next)) continue
    Object.freeze(next)
    todo.push(...Object.values(next))
  }
  return value
}

for (const rule of rules) {
  t.test(rule.id, t => {
    const cases = readCases(readFileSync(join(folder, rule.id, 'cases.yaml'), 'utf8'))
    const lookups: Lookups = { kinds: new Set(), facts: new Set() }
    for (const entry of cases) t.test(entry.name, t => runCase(t, rule, entry, lookups))
    t.test('(its cases together)', t => checkTogether(t, rule, cases, lookups))
    t.test('(its words)', t => checkWords(t, rule))
    t.end()
  })
}
