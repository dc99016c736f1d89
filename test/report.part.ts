import t from 'tap'
import type { EnforcementAction, Finding, Malformed, NotJudged, RuleError } from '../src/core/finding.ts'
import type { ObjectRef } from '../src/core/kind.ts'
import type { Evidence } from '../src/core/verdict.ts'
import { denyText, entryLimit, malformedText } from '../src/report/deny.ts'
import { totalLimit, warningLimit, warningLines } from '../src/report/warning.ts'

const ref: ObjectRef = { group: 'networking.istio.io', kind: 'ServiceEntry', namespace: 'shop', name: 'stripe' }
const refused = { uid: 'u-1', ref, policy: 'acme' }
const nothing: Evidence = { findings: [], notJudged: [], ruleErrors: [], malformed: [] }
const exemption = { name: 'probe', owner: 'shop', reason: 'because', expires: '2027-06-30' }

function finding(changes: Partial<Finding> = {}): Finding {
  return {
    rule: 'no-wide-wildcard',
    message: 'wide',
    severity: 'high',
    enforcementAction: 'deny',
    path: ['spec', 'hosts', 1],
    value: '*.example.com',
    why: 'host "*.example.com" admits every name with that ending',
    fix: 'name each host, or have "*.example.com" approved (ApprovedHosts)',
    docs: 'https://sallyport.dev/rules#no-wide-wildcard',
    threats: [],
    ...changes,
  }
}

function gap(onUnknown: NotJudged['onUnknown']): NotJudged {
  return {
    rule: 'require-approved-hosts',
    path: ['spec', 'hosts', 0],
    unknown: 'no policy says which hosts are approved',
    fix: 'add ApprovedHosts',
    onUnknown,
  }
}

function ruleError(enforcementAction: EnforcementAction): RuleError {
  return { rule: 'no-bad-day', enforcementAction, cause: new Error('secret detail') }
}

function malformed(why = 'must be a list'): Malformed {
  return { rule: 'r', enforcementAction: 'deny', path: ['spec', 'hosts'], why }
}

t.test('denyText', async t => {
  t.equal(
    denyText(refused, { ...nothing, findings: [finding()] }),
    `1 finding on ServiceEntry shop/stripe (policy acme)
spec.hosts[1]: host "*.example.com" admits every name with that ending
  fix: name each host, or have "*.example.com" approved (ApprovedHosts)
  no-wide-wildcard, https://sallyport.dev/rules#no-wide-wildcard`,
    'one finding says five things',
  )

  t.equal(
    denyText(refused, {
      ...nothing,
      findings: [finding(), finding({ path: [], why: 'the object as a whole' })],
      notJudged: [gap('deny')],
      ruleErrors: [ruleError('deny')],
    }),
    `2 findings on ServiceEntry shop/stripe (policy acme)
spec.hosts[1]: host "*.example.com" admits every name with that ending
  fix: name each host, or have "*.example.com" approved (ApprovedHosts)
  no-wide-wildcard, https://sallyport.dev/rules#no-wide-wildcard
the object as a whole
  fix: name each host, or have "*.example.com" approved (ApprovedHosts)
  no-wide-wildcard, https://sallyport.dev/rules#no-wide-wildcard
spec.hosts[0]: not judged: no policy says which hosts are approved
  fix: add ApprovedHosts
  require-approved-hosts, https://sallyport.dev/rules#require-approved-hosts
rule no-bad-day failed, which is a fault of the guard and not of the object
  fix: ask those who run the guard; its log has the cause under uid u-1
  no-bad-day, https://sallyport.dev/rules#no-bad-day`,
    'everything that refuses is listed, findings first',
  )

  t.match(
    denyText(refused, { ...nothing, ruleErrors: [ruleError('deny')] }),
    /^ServiceEntry shop\/stripe could not be judged \(policy acme\)\nrule no-bad-day failed/,
    'without a finding the first line does not speak of findings',
  )

  const many = Array.from({ length: entryLimit + 3 }, (_, i) => finding({ path: ['spec', 'hosts', i] }))
  const lines = denyText(refused, { ...nothing, findings: many }).split('\n')
  t.equal(lines[0], '23 findings on ServiceEntry shop/stripe (policy acme)')
  t.equal(lines.length, 1 + 3 * entryLimit + 1)
  t.equal(lines.at(-1), 'and 3 more')

  const hostile = denyText(
    { ...refused, ref: { ...ref, name: 'a\u001b[2Jb\nc' }, policy: 'p\u202e' },
    {
      ...nothing,
      findings: [finding({ path: ['metadata', 'annotations', `k\u0007${'x'.repeat(1000)}`], why: 'a\nb' })],
    },
  )
  t.notMatch(hostile, /[\u0000-\u0009\u000b-\u001f\u202e]/, 'no control character of the object reaches a terminal')
  t.equal(hostile.split('\n').length, 4, 'and none starts a line')
  t.ok(hostile.length < 900, 'long keys are shortened')
})

t.test('denyText: what is listed', async t => {
  const rows: readonly [string, Partial<Evidence>, boolean][] = [
    ['a finding with deny', { findings: [finding()] }, true],
    ['a finding with warn', { findings: [finding({ enforcementAction: 'warn' })] }, false],
    ['a finding with dryrun', { findings: [finding({ enforcementAction: 'dryrun' })] }, false],
    ['an exempt finding', { findings: [finding({ exemption })] }, false],
    ['a preexisting finding', { findings: [finding({ preexisting: true })] }, false],
    ['an unknown fact with deny', { notJudged: [gap('deny')] }, true],
    ['an unknown fact with warn', { notJudged: [gap('warn')] }, false],
    ['an unknown fact with allow', { notJudged: [gap('allow')] }, false],
    ['a rule error with deny', { ruleErrors: [ruleError('deny')] }, true],
    ['a rule error with warn', { ruleErrors: [ruleError('warn')] }, false],
    ['a rule error with dryrun', { ruleErrors: [ruleError('dryrun')] }, false],
  ]
  for (const [title, evidence, listed] of rows) {
    const text = denyText(refused, { ...nothing, ...evidence })
    t.equal(text.includes('\n'), listed, `${title}: ${listed ? 'listed' : 'left out'}`)
    t.notMatch(text, /secret detail/, 'never the cause of a rule error')
  }
})

t.test('malformedText', async t => {
  t.equal(
    malformedText(ref, [malformed(), malformed(), { ...malformed('must be a mapping'), path: ['spec', 'ports', 0] }]),
    'ServiceEntry shop/stripe is malformed\nspec.hosts: must be a list\nspec.ports[0]: must be a mapping',
    'one sentence each, none twice',
  )
  const many = Array.from({ length: 25 }, (_, i) => malformed(`reason ${i}`))
  t.equal(malformedText(ref, many).split('\n').at(-1), 'and 5 more')
})

t.test('warningLines: what warns', async t => {
  const warns = finding({ enforcementAction: 'warn' })
  const rows: readonly [string, Partial<Evidence>, readonly string[]][] = [
    ['nothing', {}, []],
    [
      'a finding with warn',
      { findings: [warns] },
      ['spec.hosts[1]: host "*.example.com" admits every name with that ending (no-wide-wildcard)'],
    ],
    ['a finding with deny', { findings: [finding()] }, []],
    ['a finding with dryrun', { findings: [finding({ enforcementAction: 'dryrun' })] }, []],
    [
      'a preexisting finding with deny',
      { findings: [finding({ preexisting: true })] },
      ['spec.hosts[1]: host "*.example.com" admits every name with that ending (no-wide-wildcard)'],
    ],
    ['an exempt finding', { findings: [finding({ enforcementAction: 'warn', exemption })] }, []],
    ['the same line twice', { findings: [warns, warns] }, [warningLines({ ...nothing, findings: [warns] })[0] ?? '']],
    [
      'an unknown fact with warn',
      { notJudged: [gap('warn')] },
      ['spec.hosts[0]: not judged: no policy says which hosts are approved (require-approved-hosts)'],
    ],
    ['an unknown fact with deny', { notJudged: [gap('deny')] }, []],
    ['an unknown fact with allow', { notJudged: [gap('allow')] }, []],
    [
      'a rule error with warn',
      { ruleErrors: [ruleError('warn')] },
      ['the rule failed and judged nothing, a fault of the guard (no-bad-day)'],
    ],
    ['a rule error with deny', { ruleErrors: [ruleError('deny')] }, []],
    ['a rule error with dryrun', { ruleErrors: [ruleError('dryrun')] }, []],
    ['a malformed field', { malformed: [malformed()] }, []],
    [
      'a malformed field of a rule that warns',
      { malformed: [{ ...malformed(), enforcementAction: 'warn' }] },
      [`spec.hosts: malformed: must be a list (${malformed().rule})`],
    ],
  ]
  for (const [title, evidence, lines] of rows) t.strictSame(warningLines({ ...nothing, ...evidence }), lines, title)
})

t.test('warningLines: limits', async t => {
  const annotation = 'traffic.sidecar.istio.io/excludeOutboundIPRanges'
  const long = finding({
    enforcementAction: 'warn',
    path: ['spec', 'template', 'metadata', 'annotations', annotation],
    why: `value "${'0.0.0.0/1,'.repeat(30)}" leaves every address uncaptured`,
  })
  const rows: readonly [string, Finding][] = [
    ['a long path and a long reason', long],
    ['a long path', { ...long, why: 'no' }],
    ['a long reason', { ...long, path: ['spec'] }],
    ['a long reason without a path', { ...long, path: [] }],
    ['wide runes', { ...long, path: ['spec', 'x'.repeat(80)], why: '😀'.repeat(300) }],
    ['control characters', { ...long, path: ['spec', 'a\nb\u001b'], why: 'x\ny\tz' }],
  ]
  for (const [title, one] of rows) {
    const [line = ''] = warningLines({ ...nothing, findings: [one] })
    t.ok([...line].length <= warningLimit, `${title}: ${[...line].length} runes`)
    t.match(line, / \(no-wide-wildcard\)$/, 'the rule stays whole')
    t.notMatch(line, /[\u0000-\u001f]/, 'one line')
  }
  t.match(warningLines({ ...nothing, findings: [long] })[0], /^spec\.template\.metada.*…/, 'shortened in the middle')

  const many = Array.from({ length: 60 }, (_, i) => ({ ...long, path: ['spec', i, 'x'.repeat(60)] }))
  const lines = warningLines({ ...nothing, findings: many })
  const total = lines.reduce((sum, line) => sum + [...line].length, 0)
  t.ok(total <= totalLimit && total > totalLimit - 2 * warningLimit, `${total} runes in all`)
  t.equal(lines.at(-1), `and ${60 - (lines.length - 1)} more`)

  const exact = Array.from({ length: 34 }, (_, i) => ({ ...long, path: ['spec', i, 'x'.repeat(60)] }))
  t.equal(warningLines({ ...nothing, findings: exact }).length, 34, 'what fits is whole')
})
