import fc from 'fast-check'
import t from 'tap'
import { isCleanUp, isHousekeeping, sameJson } from '../src/core/change.ts'
import { evaluate } from '../src/core/evaluate.ts'
import { canonicalJson, type Exemption, indexExemptions, specDigest } from '../src/core/exemption.ts'
import type { Facts } from '../src/core/facts.ts'
import {
  compareFindings,
  comparePaths,
  type EnforcementAction,
  effectOf,
  type Finding,
  type OnUnknown,
  type Verdict,
} from '../src/core/finding.ts'
import { type Inventory, inventoryOf, namespaceLabels, overlay } from '../src/core/inventory.ts'
import { formatRef, groupOf, isNamespaced, kindOf, refOf } from '../src/core/kind.ts'
import { differences, isMeshConfigMap, meshMode } from '../src/core/mesh.ts'
import { formatPath, matchesPattern, type Path, parsePattern } from '../src/core/path.ts'
import type { ChosenRule, Policy } from '../src/core/policy.ts'
import { servedHosts } from '../src/core/registry.ts'
import type { Operation, Review } from '../src/core/review.ts'
import { defineRule, fillSlots, type Message, type Rule, type RuleMetadata, type Tools } from '../src/core/rule.ts'
import { enumerate, nearest, printable, shorten, show } from '../src/core/text.ts'
import { decide } from '../src/core/verdict.ts'
import { isController, isKubernetes } from '../src/core/writer.ts'
import { type Fields, field, list, text } from '../src/istio/json.ts'
import { loadPolicy } from '../src/policy/load.ts'

const now = Date.parse('2026-11-21T12:00:00Z')

t.test('kinds carry their group, versions are dropped', t => {
  t.equal(kindOf('', 'Pod'), 'Pod')
  t.equal(kindOf('networking.istio.io', 'Gateway'), 'Gateway.networking.istio.io')
  t.equal(groupOf('networking.istio.io/v1alpha3'), 'networking.istio.io')
  t.equal(groupOf('v1'), '')
  t.strictSame(refOf(7), { group: '', kind: '', namespace: '', name: '' })
  const ref = { group: 'networking.istio.io', kind: 'ServiceEntry', namespace: 'shop', name: 'stripe' }
  t.strictSame(
    refOf({
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata: { namespace: 'shop', name: 'stripe' },
    }),
    ref,
  )
  t.equal(formatRef(ref), 'ServiceEntry shop/stripe')
  t.equal(formatRef({ ...ref, kind: 'Gateway' }), 'Gateway.networking.istio.io shop/stripe')
  t.equal(formatRef({ group: '', kind: 'Service', namespace: 'shop', name: 'a' }), 'Service shop/a')
  t.equal(formatRef({ group: '', kind: 'Namespace', namespace: '', name: 'shop' }), 'Namespace shop')
  t.equal(formatRef({ group: '', kind: 'Pod', namespace: 'shop', name: '' }), 'Pod shop/(generated)')
  t.equal(isNamespaced('Namespace'), false)
  t.equal(isNamespaced('Pod'), true)
  t.end()
})

t.test('paths are written as Kubernetes writes them, and read back', t => {
  const rows: readonly (readonly [Path, string])[] = [
    [[], ''],
    [['spec', 'hosts', 0], 'spec.hosts[0]'],
    [['metadata', 'annotations', 'proxy.istio.io/config'], 'metadata.annotations["proxy.istio.io/config"]'],
    [['a', 'b"c', 1, 2, 'd-e'], 'a["b\\"c"][1][2].d-e'],
  ]
  for (const [path, written] of rows) {
    t.equal(formatPath(path), written, written)
    t.strictSame(parsePattern(written), path, `${written} read back`)
  }
  for (const wrong of [
    '.spec',
    'spec..a',
    'spec[',
    'spec[-1]',
    'spec[a]',
    'a b',
    'spec["a]',
    '[0]spec',
    'spec["\\x"]',
  ]) {
    t.equal(parsePattern(wrong), undefined, `${wrong} is no path`)
  }
  const pattern = parsePattern('spec.hosts[*]') ?? []
  t.equal(matchesPattern(pattern, ['spec', 'hosts', 7]), true)
  t.equal(matchesPattern(pattern, ['spec', 'hosts', 'x']), false)
  t.equal(matchesPattern(pattern, ['spec', 'hosts']), false)
  t.equal(matchesPattern(pattern, ['spec', 'ports', 7]), false)
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(), fc.string({ unit: 'binary' }))), path =>
      sameJson(parsePattern(formatPath(path)), path),
    ),
    { numRuns: 300 },
  )
  t.end()
})

t.test('text for people', t => {
  t.equal(printable('a\nb\u001b[31m\u202ec\ud800'), 'a\\u000ab\\u001b[31m\\u202ec\\ud800')
  t.equal(printable('ok 😀 ü'), 'ok 😀 ü')
  t.equal(shorten('abcdef', 6), 'abcdef')
  t.equal(shorten('abcdefg', 6), 'abc…fg')
  t.equal([...shorten('😀'.repeat(50), 10)].length, 10)
  t.equal(enumerate([]), 'none')
  t.equal(enumerate(['a']), 'a')
  t.equal(enumerate(['a', 'b', 'c']), 'a, b and c')
  t.equal(enumerate(['a', 'b'], 'or'), 'a or b')
  t.equal(nearest('no-host-netwrk', ['no-host-network', 'no-allow-any']), 'no-host-network')
  t.equal(nearest('DENY', ['deny', 'warn']), 'deny')
  t.equal(nearest('qqqqqq', ['deny', 'warn']), undefined)
  t.strictSame(['x', 1, null, [], {}, { toString: 1 }].map(show), [
    'x',
    '1',
    'null',
    'a list',
    'a mapping',
    'a mapping',
  ])
  t.end()
})

function finding(more: Partial<Finding> = {}): Finding {
  return {
    rule: 'r',
    message: 'm',
    severity: 'high',
    enforcementAction: 'deny',
    path: ['spec'],
    value: '',
    why: 'w',
    fix: 'f',
    docs: 'd',
    threats: [],
    ...more,
  }
}

const mark = { name: 'e', owner: 'o', reason: 'r', expires: '2027-01-01' }

t.test('the verdict as a matrix', t => {
  const actions: readonly EnforcementAction[] = ['deny', 'warn', 'dryrun', 'off']
  const expected: Readonly<Record<string, Verdict>> = {
    'deny - -': 'deny',
    'warn - -': 'warn',
    'dryrun - -': 'allow',
    'off - -': 'allow',
    'deny exempt -': 'allow',
    'warn exempt -': 'allow',
    'dryrun exempt -': 'allow',
    'off exempt -': 'allow',
    'deny - preexisting': 'warn',
    'warn - preexisting': 'warn',
    'dryrun - preexisting': 'allow',
    'off - preexisting': 'allow',
    'deny exempt preexisting': 'allow',
    'warn exempt preexisting': 'allow',
    'dryrun exempt preexisting': 'allow',
    'off exempt preexisting': 'allow',
  }
  const empty = { findings: [], notJudged: [], ruleErrors: [], malformed: [] }
  for (const enforcementAction of actions) {
    for (const exempt of [false, true]) {
      for (const preexisting of [false, true]) {
        const one = finding({
          enforcementAction,
          ...(exempt && { exemption: mark }),
          ...(preexisting && { preexisting: true }),
        })
        const name = `${enforcementAction} ${exempt ? 'exempt' : '-'} ${preexisting ? 'preexisting' : '-'}`
        t.equal(decide({ ...empty, findings: [one] }), expected[name], name)
      }
    }
    const error = { rule: 'r', enforcementAction, cause: new Error('x') }
    const byError = { deny: 'deny', warn: 'warn', dryrun: 'allow', off: 'allow' }[enforcementAction]
    t.equal(decide({ ...empty, ruleErrors: [error] }), byError, `rule error with ${enforcementAction}`)
  }
  const unknowns: readonly (readonly [OnUnknown, Verdict])[] = [
    ['deny', 'deny'],
    ['warn', 'warn'],
    ['allow', 'allow'],
  ]
  for (const [onUnknown, verdict] of unknowns) {
    const gap = { rule: 'r', path: [], unknown: 'u', fix: 'f', onUnknown }
    t.equal(decide({ ...empty, notJudged: [gap] }), verdict, `unknown with ${onUnknown}`)
  }
  for (const [enforcementAction, verdict] of [
    ['deny', 'deny'],
    ['warn', 'warn'],
    ['dryrun', 'allow'],
  ] as const) {
    const fault = { rule: 'r', enforcementAction, path: [], why: 'w' }
    t.equal(decide({ ...empty, malformed: [fault] }), verdict, `malformed with ${enforcementAction}`)
  }
  t.equal(decide(empty), 'allow', 'nothing')
  t.equal(effectOf(finding({ exemption: mark })), 'off')
  t.end()
})

t.test('findings are ordered by what they do, gravity and place', t => {
  const ordered = [
    finding({ severity: 'critical', path: ['spec', 'hosts', 2] }),
    finding({ severity: 'critical', path: ['spec', 'hosts', 10] }),
    finding({ path: ['spec'] }),
    finding({ path: ['spec'], message: 'n' }),
    finding({ path: ['spec'], message: 'n', value: 'v' }),
    finding({ path: ['spec'], rule: 's' }),
    finding({ path: ['spec', 'a'] }),
    finding({ path: ['spec', 0] }),
    finding({ severity: 'critical', enforcementAction: 'warn' }),
    finding({ severity: 'low', enforcementAction: 'warn' }),
  ].sort(compareFindings)
  t.strictSame([...ordered].reverse().sort(compareFindings), ordered, 'from any order')
  t.equal(comparePaths(['a', 2], ['a', 10]) < 0, true)
  t.equal(comparePaths(['a'], ['a']), 0)
  t.equal(comparePaths(['a', 'b'], ['a', 1]) > 0, true)
  t.end()
})

function object(kind: string, namespace: string, name: string, more: Fields = {}): Fields {
  const [bare = '', ...group] = kind.split('.')
  const apiVersion = group.length === 0 ? 'v1' : `${group.join('.')}/v1`
  return { apiVersion, kind: bare, metadata: { namespace, name, ...more } }
}

t.test('an index of ServiceEntries serves every state that lies over it', t => {
  const served = (namespace: string, name: string, ...hosts: readonly string[]): Fields => ({
    ...object('ServiceEntry.networking.istio.io', namespace, name),
    spec: { hosts },
  })
  const [a, b, c] = [
    served('shop', 'a', 'x.example'),
    served('pay', 'b', '*.example'),
    served('shop', 'c', 'x.example'),
  ]
  const base = inventoryOf([a, b, c])
  const found = (state: Inventory, host = 'x.example'): readonly string[] =>
    servedHosts(state)(host).map(({ namespace, name, host }) => `${namespace}/${name} ${host}`)
  const all = ['shop/a x.example', 'shop/c x.example', 'pay/b *.example']
  t.strictSame(found(base), all, 'the same host before a wildcard, then by place')
  t.strictSame(found(base, 'y.example'), ['pay/b *.example'])
  t.strictSame(found(base, '*.example'), ['pay/b *.example'])
  t.strictSame(found(base.without(refOf(a))), all.slice(1), 'one less')
  const other = served('shop', 'a', 'y.example')
  const replaced = base.with(refOf(other), other)
  t.strictSame(found(replaced), all.slice(1), 'one that has another host now')
  t.strictSame(found(replaced.with(refOf(a), a)), all, 'what lies above hides what lies below')
  t.strictSame(found(replaced, 'y.example'), ['shop/a y.example', 'pay/b *.example'])
  t.strictSame(found(base), all, 'the original')
  const less = replaced.without(refOf(b))
  const [kind, places] = ['ServiceEntry.networking.istio.io', (...names: string[]) => new Set(names)]
  t.equal(less.layers(kind), less.layers(kind), 'the same layer whoever asks')
  t.strictSame(less.layers(kind), { objects: [], hidden: places('pay/b'), below: replaced.layers(kind) })
  t.strictSame(replaced.layers(kind), { objects: [other], hidden: places('shop/a'), below: base.layers(kind) })
  t.equal(replaced.layers(kind).below, base.layers(kind), 'the layer that is stored, itself')
  t.strictSame(base.layers(kind), { objects: base.list(kind), hidden: places(), below: undefined })
  t.equal(less.layers('Pod'), less.layers('Service'), 'of what there is nothing of, nothing')
  t.end()
})

t.test('the inventory: known and unknown kinds, one more, one less, the original unchanged', t => {
  const a = object('Pod', 'shop', 'a')
  const b = object('Pod', 'pay', 'b')
  const c = object('Pod', 'shop', 'c')
  const base = inventoryOf([c, b, a], ['Sidecar.networking.istio.io'])
  t.equal(base.knows('Pod'), true)
  t.equal(base.knows('Sidecar.networking.istio.io'), true, 'known to be empty')
  t.equal(base.knows('ConfigMap'), false)
  t.equal(inventoryOf([], 'all').knows('ConfigMap'), true)
  t.strictSame(base.list('Pod'), [b, a, c])
  t.strictSame(base.list('Pod', 'shop'), [a, c])
  t.strictSame(base.list('ConfigMap'), [])
  const d = object('Pod', 'shop', 'b')
  const more = base.with(refOf(d), d)
  t.strictSame(more.list('Pod', 'shop'), [a, d, c])
  t.strictSame(more.list('Pod', 'pay'), [b], 'other namespaces as they were')
  t.strictSame(more.list('ConfigMap'), [])
  t.strictSame(more.without(refOf(a)).list('Pod'), [b, d, c])
  t.equal(more.without(refOf(a)).find('Pod', 'shop', 'a'), undefined)
  t.equal(more.find('Pod', 'shop', 'b'), d)
  t.equal(more.find('Pod', 'shop', 'c'), c)
  t.equal(more.knows('Pod'), true)
  const e = object('Pod', 'shop', 'b', { labels: {} })
  t.strictSame(more.with(refOf(e), e).list('Pod', 'shop'), [a, e, c], 'replaced')
  t.strictSame(base.without(refOf(c)).list('Pod'), [b, a])
  t.strictSame(base.list('Pod'), [b, a, c], 'the original')
  const changed = overlay(base, [
    { ref: refOf(a), object: undefined },
    { ref: refOf(d), object: d },
    { ref: refOf(c), object: c },
  ])
  t.strictSame(changed.list('Pod'), [b, d, c])
  const namespace = object('Namespace', '', 'shop', { labels: { mesh: 'on' } })
  t.strictSame(namespaceLabels(inventoryOf([namespace]), 'shop'), new Map([['mesh', 'on']]))
  t.equal(namespaceLabels(inventoryOf([namespace]), 'pay'), undefined)
  t.end()
})

t.test('slots: filled by name, one without a value is our fault', t => {
  t.equal(fillSlots('a {b} {c}', { b: '1', c: '{b}' }), 'a 1 {b}')
  t.throws(() => fillSlots('{toString}', {}), /slot \{toString\}/)
  t.end()
})

/** A rule that finds every host under spec.hosts, and does what its name in a list under spec.do says. */
function probe(more: Partial<RuleMetadata> = {}, message: Partial<Message> = {}): Rule {
  const full: Message = {
    severity: 'high',
    enforcementAction: 'deny',
    why: 'host "{value}" is bad',
    fix: 'remove {value}',
    threats: ['t/one'],
    ...message,
  }
  return defineRule<'bad-host', Record<never, never>>({
    id: 'probe',
    summary: 'Disallow hosts',
    risk: '',
    team: '',
    judges: ['ServiceEntry.networking.istio.io'],
    reads: [],
    facts: [],
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    phases: ['submitted', 'final'],
    classes: ['governed'],
    outsideLaw: false,
    params: {},
    messages: { 'bad-host': full },
    ...more,
    check(subject, tools) {
      const spec = field(subject.object, 'spec')
      for (const [i, host] of list(field(spec, 'hosts')).entries()) {
        tools.report('bad-host', { path: ['spec', 'hosts', i], value: text(host) ?? '' })
      }
      if (field(spec, 'unknown') !== undefined) tools.notJudged(['spec', 'unknown'], 'something', 'say it')
      for (const unknown of field(spec, 'more') === undefined ? [] : ['b', 'a']) {
        tools.notJudged(['spec', 'more'], unknown, 'say it')
      }
      if (field(spec, 'malformed') !== undefined) tools.malformed(['spec', 'malformed'], 'must not be')
      if (field(spec, 'throw') !== undefined) throw new Error('our fault')
      if (field(spec, 'odd') !== undefined) (tools as Tools<string, unknown>).report('nonsense', { path: [] })
    },
  })
}

function policyOf(rule: Rule, more: Partial<ChosenRule> = {}, exemptions: readonly Exemption[] = []): Policy {
  const loaded = loadPolicy([], { rules: [rule], now })
  if (!loaded.ok) throw new Error('the baseline does not load')
  const [chosen] = loaded.policy.rules
  if (chosen === undefined) throw new Error('no rule')
  const choice = { ...chosen, ...more }
  return { ...loaded.policy, rules: [choice], rulesFor: () => [choice], findExemption: indexExemptions(exemptions) }
}

function entry(spec: Fields, metadata: Fields = {}): Fields {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { namespace: 'shop', name: 'e', ...metadata },
    spec,
  }
}

function review(operation: Operation, now: Fields | undefined, before?: Fields, more: Partial<Review> = {}): Review {
  const ref = { group: 'networking.istio.io', kind: 'ServiceEntry', namespace: 'shop', name: 'e' }
  return {
    uid: 'u',
    operation,
    kind: kindOf(ref.group, ref.kind),
    ref,
    subresource: '',
    object: now,
    oldObject: before,
    requester: undefined,
    dryRun: false,
    phase: 'final',
    ...more,
  }
}

const none = inventoryOf([])

function judge(asked: Review, policy: Policy = policyOf(probe()), inventory: Inventory = none) {
  return evaluate(asked, policy, inventory, now)
}

t.test('evaluate: findings are rendered, cleaned and sorted', t => {
  const { findings, verdict } = judge(review('CREATE', entry({ hosts: ['b\n', 'a'.repeat(300)] })))
  t.equal(verdict, 'deny')
  t.equal(findings[0]?.why, 'host "b\\u000a" is bad')
  t.equal(findings[0]?.value, 'b\n', 'the value itself is exact')
  t.equal(findings[0]?.docs, 'https://sallyport.dev/rules#probe')
  t.match(findings[1]?.fix, /^remove a+…a+$/)
  t.end()
})

t.test('evaluate: rules judge what they say they judge', t => {
  const create = review('CREATE', entry({ hosts: ['a'] }))
  t.equal(judge(create, policyOf(probe({ operations: ['DELETE'] }))).verdict, 'allow')
  t.equal(judge(create, policyOf(probe({ phases: ['submitted'] }))).verdict, 'allow')
  t.equal(judge(create, policyOf(probe({ classes: ['platform'] }))).verdict, 'allow')
  t.equal(judge(create, policyOf(probe(), { actionOf: () => 'off', strongestIn: () => 'off' })).findings.length, 0)
  const other: Rule = {
    ...probe(),
    messages: { ...probe().messages, other: { ...probe().messages['bad-host'] } as Message },
  }
  const partly = policyOf(other, { actionOf: message => (message === 'other' ? 'deny' : 'off') })
  t.equal(judge(create, partly).findings.length, 0, 'a message that is off is not reported')
  t.equal(judge(review('CONNECT', undefined)).verdict, 'allow')
  t.equal(judge(review('DELETE', undefined)).verdict, 'allow', 'a DELETE without an old object')
  t.equal(judge(review('DELETE', undefined, entry({ hosts: ['a'] }))).verdict, 'deny', 'a DELETE judges the old object')
  const namespace = review('CREATE', object('Namespace', '', 'kube-x'), undefined, {
    kind: 'Namespace',
    ref: { group: '', kind: 'Namespace', namespace: '', name: 'kube-x' },
  })
  t.equal(judge(namespace).verdict, 'allow', 'a Namespace is of its own class')
  const cluster = review('CREATE', entry({ hosts: ['a'] }), undefined, {
    ref: { group: 'x', kind: 'X', namespace: '', name: 'x' },
  })
  t.equal(judge(cluster).verdict, 'deny', 'what has no namespace is governed')
  t.end()
})

t.test('evaluate: a rule that throws, an unknown fact, a malformed field', t => {
  const broken = judge(review('CREATE', entry({ hosts: ['a'], throw: true })))
  t.equal(broken.verdict, 'deny')
  t.equal(broken.findings.length, 1, 'what it found before is kept')
  t.match(broken.ruleErrors, [{ rule: 'probe', enforcementAction: 'deny', cause: /our fault/ }])
  const mild = policyOf(probe({}, { enforcementAction: 'warn' }))
  t.equal(judge(review('CREATE', entry({ throw: true })), mild).verdict, 'warn')
  const silent = policyOf(probe({}, { enforcementAction: 'dryrun' }))
  t.equal(judge(review('CREATE', entry({ throw: true })), silent).verdict, 'allow')
  t.match(judge(review('CREATE', entry({ odd: true }))).ruleErrors, [{ cause: /no message nonsense/ }])
  const trusting = policyOf(probe(), { actionOf: () => 'deny' })
  t.match(judge(review('CREATE', entry({ odd: true })), trusting).ruleErrors, [{ cause: /no message nonsense/ }])
  const gaps = judge(review('CREATE', entry({ unknown: true, more: true }))).notJudged
  t.strictSame(
    gaps.map(gap => [gap.path.join('.'), gap.unknown]),
    [
      ['spec.more', 'a'],
      ['spec.more', 'b'],
      ['spec.unknown', 'something'],
    ],
    'what is unknown is in order',
  )
  t.equal(judge(review('CREATE', entry({ unknown: true }))).verdict, 'warn')
  t.equal(judge(review('CREATE', entry({ unknown: true })), policyOf(probe(), { onUnknown: 'deny' })).verdict, 'deny')
  t.equal(judge(review('CREATE', entry({ malformed: true }))).verdict, 'deny')
  t.equal(judge(review('CREATE', entry({ malformed: true })), mild).verdict, 'warn', 'a rule that only warns')
  t.equal(judge(review('UPDATE', entry({ malformed: 1 }), entry({ malformed: 2 }))).verdict, 'warn', 'was there before')
  t.equal(judge(review('UPDATE', entry({ malformed: 1 }), entry({}))).verdict, 'deny', 'is new')
  t.end()
})

t.test('evaluate: an UPDATE is refused for what it adds, warned of what was there', t => {
  const rows: readonly (readonly [title: string, before: readonly string[], after: readonly string[], Verdict])[] = [
    ['nothing changes', ['a'], ['a'], 'warn'],
    ['a breach moves', ['a', 'b'], ['b', 'a'], 'warn'],
    ['a breach goes', ['a', 'b'], ['b'], 'warn'],
    ['the last breach goes', ['a'], [], 'allow'],
    ['another breach', ['a'], ['a', 'b'], 'deny'],
    ['the same breach once more', ['a'], ['a', 'a'], 'deny'],
    ['a first breach', [], ['a'], 'deny'],
  ]
  for (const [title, before, after, verdict] of rows) {
    // The label makes it more than housekeeping.
    const asked = review('UPDATE', entry({ hosts: after }, { labels: { x: 'y' } }), entry({ hosts: before }))
    t.equal(judge(asked).verdict, verdict, title)
  }
  const twice = judge(review('UPDATE', entry({ hosts: ['x', 'a', 'a'] }), entry({ hosts: ['y', 'a'] })))
  t.strictSame(
    twice.findings.map(one => [one.path.at(-1), one.preexisting ?? false]),
    [
      [0, false],
      [2, false],
      [1, true],
    ],
    'the one at the old place is the old one',
  )
  const gap = review('UPDATE', entry({ unknown: 1 }), entry({ unknown: 2 }))
  t.equal(
    judge(gap, policyOf(probe(), { onUnknown: 'deny' })).verdict,
    'warn',
    'what was unknown before locks nobody in',
  )
  const fresh = review('UPDATE', entry({ unknown: 1 }), entry({}))
  t.equal(judge(fresh, policyOf(probe(), { onUnknown: 'deny' })).verdict, 'deny')
  t.equal(judge(review('UPDATE', entry({ hosts: ['a'] }))).verdict, 'deny', 'without an old object all is new')
  t.end()
})

t.test('evaluate: taking down and cleaning up always passes', t => {
  const before = entry({ hosts: ['a'] }, { finalizers: ['x'], resourceVersion: '1' })
  const rows: readonly (readonly [title: string, after: Fields, boolean])[] = [
    ['a finalizer goes', entry({ hosts: ['a'] }, { resourceVersion: '2' }), true],
    ['the deletion is marked', entry({ hosts: ['a'] }, { finalizers: ['x'], deletionTimestamp: 'now' }), true],
    ['a label comes', entry({ hosts: ['a'] }, { finalizers: ['x'], labels: {} }), false],
    ['a host comes', entry({ hosts: ['a', 'b'] }, { finalizers: ['x'] }), false],
    ['another type', { ...before, metadata: 7 }, false],
  ]
  for (const [title, after, passes] of rows) t.equal(isHousekeeping(review('UPDATE', after, before)), passes, title)
  t.equal(judge(review('UPDATE', entry({ hosts: ['a'] }), before)).findings.length, 0)
  t.equal(isHousekeeping(review('CREATE', before)), false)
  const gone = entry({ hosts: ['a'] })
  const by = (username: string): Review => review('DELETE', undefined, gone, { requester: { username, groups: [] } })
  t.equal(judge(by('dana')).verdict, 'deny')
  t.equal(judge(by('system:serviceaccount:kube-system:namespace-controller')).verdict, 'allow')
  t.equal(judge(by('system:serviceaccount:kube-system:generic-garbage-collector')).verdict, 'allow')
  t.equal(judge(by('system:serviceaccount:shop:namespace-controller')).verdict, 'deny')
  const terminating = inventoryOf([object('Namespace', '', 'shop', { deletionTimestamp: 'now' })])
  t.equal(judge(review('DELETE', undefined, gone), policyOf(probe()), terminating).verdict, 'allow')
  const phase = inventoryOf([{ ...object('Namespace', '', 'shop'), status: { phase: 'Terminating' } }])
  t.equal(isCleanUp(review('DELETE', undefined, gone), phase), true)
  t.equal(isCleanUp(review('CREATE', gone), phase), false)
  t.end()
})

t.test('equality of JSON, at any depth', t => {
  const deep = (leaf: unknown): unknown => {
    let here = leaf
    for (let i = 0; i < 50_000; i++) here = i % 2 === 0 ? [here] : { a: here }
    return here
  }
  t.equal(sameJson(deep(1), deep(1)), true)
  t.equal(sameJson(deep(1), deep(2)), false)
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
      const same = canonicalJson(a) === canonicalJson(b)
      return sameJson(plain(a), plain(a)) && sameJson(plain(a), plain(b)) === same
    }),
    { numRuns: 200 },
  )
  t.equal(sameJson({ a: 1 }, { b: 1 }), false)
  t.equal(sameJson([1], [1, 2]), false)
  t.equal(sameJson([], {}), false)
  t.end()
})

t.test('exemptions reach what they name and nothing else', t => {
  const exemption: Exemption = {
    ...mark,
    rule: 'probe',
    reach: 'object',
    kind: 'ServiceEntry.networking.istio.io',
    namespace: 'shop',
    objectName: 'e',
    permits: { path: parsePattern('spec.hosts[*]') ?? [], value: 'a' },
    expiresAt: now + 1,
  }
  const asked = review('CREATE', entry({ hosts: ['a'] }))
  const digest = specDigest({ spec: { hosts: ['a'] } }) ?? ''
  const rows: readonly (readonly [title: string, Exemption, Verdict])[] = [
    ['exactly', exemption, 'allow'],
    ['any name', { ...exemption, objectName: '*' }, 'allow'],
    ['any namespace', { ...exemption, namespace: '*' }, 'allow'],
    ['any of both', { ...exemption, namespace: '*', objectName: '*' }, 'allow'],
    ['by digest', { ...exemption, permits: { specDigest: digest } }, 'allow'],
    ['another digest', { ...exemption, permits: { specDigest: `${digest}0` } }, 'deny'],
    ['another rule', { ...exemption, rule: 'other' }, 'deny'],
    ['another kind', { ...exemption, kind: 'Sidecar.networking.istio.io' }, 'deny'],
    ['another namespace', { ...exemption, namespace: 'pay' }, 'deny'],
    ['another name', { ...exemption, objectName: 'f' }, 'deny'],
    ['another value', { ...exemption, permits: { path: ['spec', 'hosts', 0], value: 'b' } }, 'deny'],
    ['another path', { ...exemption, permits: { path: ['spec', 'hosts', 1], value: 'a' } }, 'deny'],
    ['expired', { ...exemption, expiresAt: now }, 'deny'],
  ]
  for (const [title, given, verdict] of rows) {
    t.equal(judge(asked, policyOf(probe(), {}, [given])).verdict, verdict, title)
  }
  const kept = judge(asked, policyOf(probe(), {}, [exemption]))
  t.match(kept.findings, [{ exemption: { name: 'e', owner: 'o' } }], 'the finding is kept and marked')
  t.equal(specDigest({}), undefined)
  let deep: unknown = 1
  for (let i = 0; i < 50_000; i++) deep = [deep]
  t.equal(specDigest({ spec: deep }), undefined)
  t.equal(specDigest({ spec: { b: 1, a: 2 } }), specDigest({ spec: { a: 2, b: 1 } }))
  t.end()
})

t.test('the exemption of a workload reaches its pods by the owners that exist, made by their controllers', t => {
  const owner = (kind: string, name: string, uid: string, controller = true): Fields => ({
    apiVersion: kind === 'CronJob' || kind === 'Job' ? 'batch/v1' : 'apps/v1',
    kind,
    name,
    uid,
    controller,
  })
  const deployment = { ...object('Deployment.apps', 'shop', 'd', { uid: '1' }), spec: { template: {} } }
  const replicaSet = object('ReplicaSet.apps', 'shop', 'd-1', {
    uid: '2',
    ownerReferences: [owner('Deployment', 'd', '1')],
  })
  const inventory = inventoryOf([deployment, replicaSet])
  const exemption: Exemption = {
    ...mark,
    rule: 'probe',
    reach: 'workload',
    kind: 'Deployment.apps',
    namespace: 'shop',
    objectName: 'd',
    permits: { path: ['spec', 'hosts', 0], value: 'a' },
    expiresAt: now + 1,
  }
  const controller = 'system:serviceaccount:kube-system:replicaset-controller'
  const find = indexExemptions([exemption])
  const pod = (references: unknown, username?: string, more: Partial<Review> = {}): boolean => {
    const asked = review('CREATE', { ...object('Pod', 'shop', 'p', { ownerReferences: references }) }, undefined, {
      kind: 'Pod',
      ref: { group: '', kind: 'Pod', namespace: 'shop', name: 'p' },
      requester: username === undefined ? undefined : { username, groups: [] },
      ...more,
    })
    return find(finding({ rule: 'probe', value: 'a', path: ['spec', 'hosts', 0] }), asked, inventory, now) !== undefined
  }
  const good = [owner('ReplicaSet', 'd-1', '2')]
  t.equal(pod(good, controller), true)
  t.equal(pod(good, 'system:kube-controller-manager'), true)
  t.equal(pod(good), true, 'where nobody asks, the owners count')
  t.equal(pod(good, 'dana'), false, 'a person who writes the reference')
  t.equal(pod(good, 'system:serviceaccount:shop:replicaset-controller'), false)
  t.equal(pod([owner('ReplicaSet', 'd-1', 'wrong')], controller), false, 'a uid that is not the owner’s')
  t.equal(pod([owner('ReplicaSet', 'other', '2')], controller), false, 'an owner that does not exist')
  t.equal(pod([owner('ReplicaSet', 'd-1', '2', false)], controller), false, 'not its controller')
  t.equal(pod([{ kind: 7 }, 'x'], controller), false)
  t.equal(pod([{ kind: 'ReplicaSet', name: 'd-1', controller: true }], controller), false, 'no apiVersion and no uid')
  t.equal(pod([{ ...owner('ReplicaSet', 'd-1', '2'), uid: 7 }], controller), false)
  t.equal(pod(undefined, controller), false)
  t.equal(pod([{ apiVersion: 'x/v1', kind: 'X', name: 'x', uid: '3', controller: true }], controller), false)
  const template = review('CREATE', deployment, undefined, {
    kind: 'Deployment.apps',
    ref: { group: 'apps', kind: 'Deployment', namespace: 'shop', name: 'd' },
  })
  const inTemplate = finding({ rule: 'probe', value: 'a', path: ['spec', 'template', 'spec', 'hosts', 0] })
  t.ok(find(inTemplate, template, inventory, now), 'the workload itself, at the path of its template')
  const outside = finding({ rule: 'probe', value: 'a', path: ['spec', 'hosts', 0] })
  t.ok(find(outside, template, inventory, now), 'a path outside the template is the object’s own')
  const byKnownKind = { ...exemption, kind: 'X.x', objectName: 'x' }
  const x = object('X.x', 'shop', 'x', { uid: '3' })
  const orphan = review(
    'CREATE',
    object('Pod', 'shop', 'p', {
      ownerReferences: [{ apiVersion: 'x/v1', kind: 'X', name: 'x', uid: '3', controller: true }],
    }),
    undefined,
    {
      kind: 'Pod',
      ref: { group: '', kind: 'Pod', namespace: 'shop', name: 'p' },
      requester: { username: 'system:kube-controller-manager', groups: [] },
    },
  )
  t.equal(
    indexExemptions([byKnownKind])(outside, orphan, inventoryOf([x]), now),
    undefined,
    'a kind whose controller is not known reaches no pods',
  )
  const entryItself = { ...exemption, kind: 'ServiceEntry.networking.istio.io', objectName: 'e' }
  const plain = review('CREATE', entry({ hosts: ['a'] }))
  t.ok(indexExemptions([entryItself])(outside, plain, none, now), 'a kind without a template, at its own path')
  t.equal(indexExemptions([])(outside, orphan, none, now), undefined)
  t.end()
})

t.test('the mesh mode: inventory before policy, the laxest of several revisions, differences are said', t => {
  const facts = (outboundTrafficPolicy: Facts['mesh']['outboundTrafficPolicy']): Facts => {
    const loaded = loadPolicy([], { rules: [probe()], now })
    if (!loaded.ok) throw new Error('the baseline does not load')
    const { facts } = loaded.policy
    return { ...facts, mesh: { ...facts.mesh, outboundTrafficPolicy } }
  }
  const mesh = (name: string, text: string, revision?: string): Fields => ({
    ...object(
      'ConfigMap',
      'istio-system',
      name,
      revision === undefined ? {} : { labels: { 'istio.io/rev': revision } },
    ),
    data: { mesh: text },
  })
  const closed = mesh('istio', 'outboundTrafficPolicy: {mode: REGISTRY_ONLY}')
  const open = mesh('istio-canary', '{}', 'canary')
  t.equal(meshMode(facts(undefined), none), undefined)
  t.equal(meshMode(facts('REGISTRY_ONLY'), none), 'REGISTRY_ONLY')
  t.equal(meshMode(facts('ALLOW_ANY'), inventoryOf([closed])), 'REGISTRY_ONLY')
  t.equal(meshMode(facts(undefined), inventoryOf([closed, open])), 'ALLOW_ANY')
  t.equal(meshMode(facts('REGISTRY_ONLY'), inventoryOf([mesh('istio', 'a: [')])), 'REGISTRY_ONLY', 'unreadable')
  t.equal(meshMode(facts(undefined), inventoryOf([{ ...closed, data: {} }])), 'ALLOW_ANY', 'no key')
  t.strictSame(differences(facts('ALLOW_ANY'), inventoryOf([closed])).length, 1)
  t.strictSame(differences(facts('REGISTRY_ONLY'), inventoryOf([closed])), [])
  t.strictSame(differences(facts(undefined), inventoryOf([closed])), [])
  t.equal(isMeshConfigMap(open, 'istio-system'), true)
  t.equal(isMeshConfigMap(mesh('istio-canary', '{}'), 'istio-system'), true, 'by its key, without a label')
  t.equal(isMeshConfigMap(closed, 'mesh'), false)
  t.end()
})

t.test('who writes for others: controllers of the mesh, accounts of Kubernetes', t => {
  const factsOf = (identities: string): Facts => {
    const text = `apiVersion: sallyport.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: acme}\nspec: ${identities}\n`
    const loaded = loadPolicy([{ file: 'policy', text }], { rules: [], now: 0 })
    if (!loaded.ok) throw new Error('the policy does not load')
    return loaded.policy.facts
  }
  const silent = factsOf('{}')
  const stated = factsOf('{identities: {controllers: [cert-manager/istio-csr]}}')
  const account = (name: string): string => `system:serviceaccount:${name}`
  for (const [username, bySilence, byPolicy, ofKubernetes] of [
    [account('istio-system:istiod'), true, false, false],
    [account('istio-system:istiod-1-31'), true, false, false],
    [account('istio-system:istiodx'), false, false, false],
    [account('shop:istiod'), false, false, false],
    [account('cert-manager:istio-csr'), false, true, false],
    [account('kube-system:cilium-operator'), false, false, true],
    [account('kube-system-2:cilium-operator'), false, false, false],
    [account('openshift-infra:namespace-security-allocation-controller'), false, false, true],
    ['system:apiserver', false, false, true],
    ['system:kube-controller-manager', false, false, true],
    ['system:node:a', false, false, false],
    ['kubernetes-admin', false, false, false],
  ] as const) {
    const requester = { username, groups: ['system:masters'] }
    t.equal(isController(requester, silent), bySilence, `${username}: a controller where the policy names none`)
    t.equal(isController(requester, stated), byPolicy, `${username}: a controller of the policy`)
    t.equal(isKubernetes(requester), ofKubernetes, `${username}: an account of Kubernetes`)
  }
  t.equal(isController(undefined, silent), false, 'nobody asks')
  t.end()
})
