import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import t from 'tap'
import { evaluate } from '../src/core/evaluate.ts'
import type { NamespaceClass } from '../src/core/facts.ts'
import type { EnforcementAction } from '../src/core/finding.ts'
import { inventoryOf } from '../src/core/inventory.ts'
import { kindOf, refOf } from '../src/core/kind.ts'
import type { Policy } from '../src/core/policy.ts'
import type { Review } from '../src/core/review.ts'
import { isController } from '../src/core/writer.ts'
import { formatRanges, nothing } from '../src/istio/cidr.ts'
import type { Fields } from '../src/istio/json.ts'
import { readManifests } from '../src/manifest/read.ts'
import { mutations } from '../src/mutations/index.ts'
import { readExpiry } from '../src/policy/date.ts'
import { type LoadOutcome, loadPolicy } from '../src/policy/load.ts'
import { formatProblem, problemCodes } from '../src/policy/problem.ts'
import { policyKinds, policySchema } from '../src/policy/schema.ts'
import { rules } from '../src/rules/index.ts'

const now = Date.parse('2026-11-21T12:00:00Z')

function load(...texts: readonly string[]): LoadOutcome {
  const sources = texts.map((text, i) => ({ file: `${String.fromCharCode(97 + i)}.yaml`, text }))
  return loadPolicy(sources, { rules, mutations, now })
}

function good(...texts: readonly string[]): Policy {
  const outcome = load(...texts)
  if (!outcome.ok) throw new Error(outcome.problems.map(formatProblem).join('\n'))
  return outcome.policy
}

function problems(...texts: readonly string[]): string[] {
  const outcome = load(...texts)
  return (outcome.ok ? outcome.notices : outcome.problems).map(formatProblem)
}

const policy = (spec: string): string =>
  `apiVersion: sallyport.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: acme}\nspec:\n${spec}`
const hosts = (spec: string): string =>
  `apiVersion: sallyport.dev/v1alpha1\nkind: ApprovedHosts\nmetadata: {name: many}\nspec:\n${spec}`
const exemptions = (spec: string): string =>
  `apiVersion: sallyport.dev/v1alpha1\nkind: EgressExemptions\nmetadata: {name: some}\nspec:\n${spec}`

t.test('the first policy of the guide loads', t => {
  const text = readFileSync(join(import.meta.dirname, 'fixtures/policy/first.yaml'), 'utf8')
  const first = good(text)
  t.equal(first.name, 'acme')
  t.match(first.revision, /^[0-9a-f]{12}$/)
  t.equal(first.facts.namespaces.classOf('istio-egress', undefined), 'platform')
  t.equal(first.facts.approvedHosts.covering('api.stripe.com').length, 1)
  t.end()
})

t.test('problems: all of all files at once, each with its place, what and fix', t => {
  const rows: readonly (readonly [title: string, texts: readonly string[], lines: readonly string[]])[] = [
    [
      'an unknown rule',
      [policy('  rules:\n    no-host-netwrk: {enforcementAction: warn}\n')],
      ['a.yaml:6:5 spec.rules.no-host-netwrk: no such rule; did you mean "no-host-network"?'],
    ],
    [
      'internal hosts and providers that name nothing in particular',
      [
        policy(
          '  internalHosts: [{host: "*", addresses: [10.0.0.0/8]}, {host: "a b", addresses: [ten]}]\n  authorizers: [{name: opa, service: "*-opa.acme.example"}]\n',
        ),
      ],
      [
        'a.yaml:5:20 spec.internalHosts[0].host: "*" names every host, write the DNS name of the host',
        'a.yaml:5:58 spec.internalHosts[1].host: "a b" holds white space or a control character (U+0020), write the DNS name of the host',
        'a.yaml:5:83 spec.internalHosts[1].addresses[0]: "ten" is no IPv4 address, write it like 10.0.0.0/16',
        'a.yaml:6:29 spec.authorizers[0].service: "*-opa.acme.example" has a star beside other characters, which makes Envoy refuse the whole listener, write the DNS name of the host',
      ],
    ],
    [
      'an unknown key',
      [policy('  egressGatways: []\n')],
      ['a.yaml:5:3 spec.egressGatways: no such key; did you mean "egressGateways"?'],
    ],
    [
      'an unknown key that is like none',
      [policy('  ranges: {qqqqqqqq: []}\n')],
      ['a.yaml:5:12 spec.ranges.qqqqqqqq: no such key, use one of pods, services or virtualMachines'],
    ],
    [
      'a misspelt action',
      [policy('  rules:\n    no-allow-any: {enforcementAction: denny}\n')],
      [
        'a.yaml:6:20 spec.rules.no-allow-any.enforcementAction: "denny" is none of deny, warn, dryrun or off; did you mean "deny"?',
      ],
    ],
    [
      'an action that YAML takes for false',
      [policy('  rules:\n    no-allow-any: {enforcementAction: off}\n')],
      [
        'a.yaml:6:20 spec.rules.no-allow-any.enforcementAction: "false" is none of deny, warn, dryrun or off, write "off" in quotes, without which it is false',
      ],
    ],
    [
      'an unknown param',
      [policy('  rules:\n    no-capture-bypass: {params: {excludableRange: []}}\n')],
      [
        'a.yaml:6:34 spec.rules.no-capture-bypass.params.excludableRange: no such key; did you mean "excludableRanges"?',
      ],
    ],
    [
      'a range that is none, in a param and in a fact',
      [
        policy(
          '  ranges: {pods: [10.0.0.0/33]}\n  rules:\n    no-capture-bypass: {params: {excludableRanges: [ten]}}\n',
        ),
      ],
      [
        'a.yaml:5:19 spec.ranges.pods[0]: "10.0.0.0/33" has a prefix length that is no number from 0 to 32, write it like 10.0.0.0/16',
        'a.yaml:7:53 spec.rules.no-capture-bypass.params.excludableRanges[0]: "ten" is no address range, write it like 10.0.0.0/16',
      ],
    ],
    [
      'a range that is none',
      [policy('  ranges: {pods: [10.0.0.0/33]}\n')],
      [
        'a.yaml:5:19 spec.ranges.pods[0]: "10.0.0.0/33" has a prefix length that is no number from 0 to 32, write it like 10.0.0.0/16',
      ],
    ],
    [
      'wrong types',
      [policy('  egressGateways: {}\n  mesh: []\n')],
      ['a.yaml:5:3 spec.egressGateways: must be a list', 'a.yaml:6:3 spec.mesh: must be a mapping'],
    ],
    ['missing keys', [hosts('  hosts:\n  - {ports: []}\n')], ['a.yaml:6:5 spec.hosts[0]: "host" is missing, add it']],
    [
      'ports that no default gives',
      [hosts('  hosts:\n  - {host: api.example.com}\n')],
      ['a.yaml:6:5 spec.hosts[0]: "ports" is missing, name the ports, here or under spec.defaults'],
    ],
    [
      'problems of two files, in order',
      [policy('  rules: {x: {}}\n'), hosts('  hosts: 7\n')],
      [
        `a.yaml:5:11 spec.rules.x: no such rule, use one of ${rules
          .slice(0, -1)
          .map(rule => rule.id)
          .join(', ')} or ${rules.at(-1)?.id}`,
        'b.yaml:5:3 spec.hosts: must be a list',
      ],
    ],
    [
      'a document that is no policy',
      ['apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n'],
      [
        'a.yaml:2:1 kind: "v1 ConfigMap" is no policy document, use apiVersion sallyport.dev/v1alpha1 and one of the kinds EgressPolicy, ApprovedHosts, EgressExemptions',
      ],
    ],
    [
      'a class that hangs on a label of tenants',
      [policy('  namespaces:\n    notGoverned: {selector: {matchLabels: {free: "yes"}}}\n')],
      [
        'a.yaml:6:19 spec.namespaces.notGoverned.selector: label "free" can be written by those it would set free, name the namespaces, or select on kubernetes.io/metadata.name',
      ],
    ],
    [
      'a relaxation that hangs on a label of tenants',
      [
        policy(
          '  rules:\n    no-allow-any:\n      overrides:\n      - {namespaces: {selector: {matchLabels: {free: "yes"}}}, enforcementAction: warn}\n',
        ),
      ],
      [
        'a.yaml:8:23 spec.rules.no-allow-any.overrides[0].namespaces.selector: label "free" can be written by those it would set free, name the namespaces, or select on kubernetes.io/metadata.name',
      ],
    ],
    [
      'a selector that Kubernetes would refuse',
      [policy('  namespaces: {governed: {selector: {matchExpressions: [{key: a, operator: In}]}}}\n')],
      ['a.yaml:5:27 spec.namespaces.governed.selector: the selector has In without values for "a"'],
    ],
    [
      'two gateways of one name that differ',
      [
        policy('  egressGateways: [{name: main, namespace: a, service: s, podLabels: {x: z}}]\n'),
        policy('  egressGateways: [{name: main, namespace: b, service: s, podLabels: {x: z}}]\n'),
      ],
      [
        'b.yaml:5:21 spec.egressGateways[0].name: another egress gateway is named "main" and differs, give one of them another name, or make them equal',
      ],
    ],
    [
      'faults of shape and of meaning in one document, and no echo of the former',
      [
        hosts(
          '  defaults: {ower: me, expires: soon, ports: [{number: 443, protocol: TLS}]}\n  hosts:\n  - {host: 7}\n  - {owner: me}\n  - host: a..b\n',
        ),
      ],
      [
        'a.yaml:5:14 spec.defaults.ower: no such key; did you mean "owner"?',
        'a.yaml:5:24 spec.defaults.expires: "soon" is no date, write it like 2027-06-30',
        'a.yaml:7:6 spec.hosts[0].host: must be a text',
        'a.yaml:8:5 spec.hosts[1]: "host" is missing, add it',
        'a.yaml:9:5 spec.hosts[2].host: "a..b" has an empty label, write the DNS name of the host',
      ],
    ],
    [
      'hosts that cannot be approved',
      [
        hosts(
          '  defaults: {ports: [{number: 443, protocol: TLS}]}\n  hosts:\n  - host: "*"\n  - host: "*-x.example.com"\n  - host: reviews\n  - host: 10.0.0.1\n  - host: a..b\n',
        ),
      ],
      [
        'a.yaml:7:5 spec.hosts[0].host: "*" approves every host, name the hosts',
        'a.yaml:8:5 spec.hosts[1].host: a star beside other characters makes Envoy refuse the whole listener, use "*" only as the whole first label',
        'a.yaml:9:5 spec.hosts[2].host: a name without a dot is a name inside the cluster, write the whole name',
        'a.yaml:10:5 spec.hosts[3].host: Istio takes no address as a host, approve a name, and give its addresses under "addresses"',
        'a.yaml:11:5 spec.hosts[4].host: "a..b" has an empty label, write the DNS name of the host',
      ],
    ],
    [
      'a gateway that no policy names',
      [
        policy('  egressGateways: [{name: main, namespace: a, service: s, podLabels: {x: z}}]\n'),
        hosts('  hosts:\n  - {host: a.example.com, gateway: mian, ports: [{number: 443, protocol: TLS}]}\n'),
      ],
      ['b.yaml:6:27 spec.hosts[0].gateway: no egress gateway is named "mian"; did you mean "main"?'],
    ],
    [
      'a date that is none',
      [hosts('  hosts:\n  - {host: a.example.com, expires: 2026-02-30, ports: [{number: 443, protocol: TLS}]}\n')],
      ['a.yaml:6:27 spec.hosts[0].expires: "2026-02-30" is no date, write it like 2027-06-30'],
    ],
    [
      'exemptions without owner, expiry, target and permission',
      [exemptions('  exemptions:\n  - {name: a, rule: no-host-network, reason: r}\n')],
      [
        'a.yaml:6:5 spec.exemptions[0]: "owner" is missing, say who answers for it',
        'a.yaml:6:5 spec.exemptions[0]: "expires" is missing, say until when it holds',
        'a.yaml:6:5 spec.exemptions[0]: an exemption names either an object or a workload, give one of "object" and "workload"',
        'a.yaml:6:5 spec.exemptions[0]: an exemption permits one value at one path, or one spec, give "path" and "value", or "specDigest"',
      ],
    ],
    [
      'exemptions of a kind that nothing judges, of two kinds, at no path, twice by one name',
      [
        exemptions(
          [
            '  defaults: {owner: o, expires: 2027-01-01}',
            '  exemptions:',
            '  - {name: a, rule: no-host-network, reason: r, object: {kind: Deploymet, name: x}, path: spec, value: v}',
            '  - {name: b, rule: require-visible-revision, reason: r, object: {kind: Gateway, name: x}, path: spec, value: v}',
            '  - {name: c, rule: no-host-network, reason: r, object: {kind: Pod, name: x}, path: .spec, value: v}',
            '  - {name: c, rule: no-host-network, reason: s, object: {kind: Pod, name: x}, path: spec, value: v}',
            '',
          ].join('\n'),
        ),
      ],
      [
        'a.yaml:7:58 spec.exemptions[0].object.kind: no rule judges "Deploymet"; did you mean "Deployment"?',
        'a.yaml:8:67 spec.exemptions[1].object.kind: "Gateway" is a kind of several groups, add group: "gateway.networking.k8s.io" or "networking.istio.io"',
        'a.yaml:9:79 spec.exemptions[2].path: ".spec" is no path, write it as the finding shows it, like metadata.annotations["a.b/c"] or spec.hosts[0]',
        'a.yaml:10:6 spec.exemptions[3].name: another exemption is named "c" and differs, give it another name',
      ],
    ],
    ['text that is no YAML', ['a: [\n'], ['a.yaml:2:1: this list does not end, write it as YAML that has one reading']],
  ]
  for (const [title, texts, lines] of rows) {
    const found = problems(...texts)
    if (title.startsWith('text that is no YAML')) t.match(found[0], /^a\.yaml:\d+:\d+: /, title)
    else t.strictSame(found, lines, title)
  }
  t.end()
})

t.test('no document, however broken, makes the loader throw', t => {
  const texts = readFileSync(join(import.meta.dirname, '../examples/policy/acme.yaml'), 'utf8')
  const documents = readManifests(texts, 'acme.yaml').documents.map(document => document.object)
  let refused = 0
  const places = (value: unknown, at: readonly string[] = []): (readonly string[])[] => [
    at,
    ...(typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([key, inner]) => places(inner, [...at, key]))
      : []),
  ]
  const replace = (value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown => {
    if (key === undefined) return by
    const inner = (item: unknown, name: string): unknown => (name === key ? replace(item, rest, by) : item)
    if (Array.isArray(value)) return value.map((item, i) => inner(item, String(i)))
    return Object.fromEntries(Object.entries(value ?? {}).map(([name, item]) => [name, inner(item, name)]))
  }
  for (const document of documents) {
    for (const place of places(document)) {
      for (const by of [null, 7, '', 'x y', [], [7], {}, { toString: 1 }, [null], [{}], true]) {
        const outcome = load(JSON.stringify(replace(document, place, by)))
        if (!outcome.ok) refused++
      }
    }
  }
  t.ok(refused > 500, `${refused} broken documents refused`)
  t.end()
})

t.test('notices say what was done, and stop nothing', t => {
  const text = hosts(
    '  defaults: {ports: [{number: 443, protocol: TLS}]}\n  hosts:\n  - host: API.Example.com.\n  - host: "*.co.uk"\n  - {host: old.example.com, expires: 2026-11-20}\n',
  )
  const outcome = load(text)
  t.equal(outcome.ok, true)
  t.strictSame(problems(text), [
    'a.yaml:7:5 spec.hosts[0].host: read as "api.example.com", write it so',
    'a.yaml:8:5 spec.hosts[1].host: "*.co.uk" approves names that anybody can register, name the hosts',
    'a.yaml:9:29 spec.hosts[2].expires: expired 2026-11-20, renew it or remove it',
  ])
  t.equal(good(text).facts.approvedHosts.covering('api.example.com').length, 1)
  t.end()
})

t.test('namespaces: exact name, then pattern, then selector; platform > notGoverned > governed', t => {
  const { classOf } = good(
    policy(
      [
        '  namespaces:',
        '    platform: {names: [istio-system, "infra-*"]}',
        '    notGoverned: {names: [infra-lab, "lab-*", istio-system], selector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [odd]}]}}',
        '    governed: {names: [lab-secret, "infra-lab-*"], selector: {matchLabels: {mesh: "on"}}}',
        '',
      ].join('\n'),
    ),
  ).facts.namespaces
  const on = new Map([['mesh', 'on']])
  const rows: readonly (readonly [name: string, labels: ReadonlyMap<string, string> | undefined, NamespaceClass])[] = [
    ['istio-system', undefined, 'platform'],
    ['infra-net', undefined, 'platform'],
    ['infra-lab', undefined, 'notGoverned'],
    ['infra-lab-2', undefined, 'platform'],
    ['lab-1', on, 'notGoverned'],
    ['lab-secret', undefined, 'governed'],
    ['odd', undefined, 'notGoverned'],
    ['shop', undefined, 'governed'],
    ['shop', on, 'governed'],
    ['kube-system', undefined, 'notGoverned'],
    ['kube-system', on, 'governed'],
    ['sallyport-system', undefined, 'notGoverned'],
  ]
  for (const [name, labels, expected] of rows) {
    t.equal(classOf(name, labels), expected, `${name}${labels ? ' with label' : ''}: ${expected}`)
  }
  t.end()
})

t.test('actions: the last statement that matches wins, later files after earlier ones', t => {
  const chosen = (loaded: Policy) => {
    const found = loaded.rules.find(({ rule }) => rule.id === 'no-allow-any')
    if (found === undefined) throw new Error('no such rule')
    return found
  }
  const base = chosen(good())
  t.equal(base.actionOf('sidecar-allow-any', 'shop', undefined), 'deny', 'the baseline')
  t.equal(base.onUnknown, 'warn')
  const text = policy(
    [
      '  rules:',
      '    no-allow-any:',
      '      enforcementAction: warn',
      '      onUnknown: deny',
      '      overrides:',
      '      - {namespaces: [shop, "pay*"], enforcementAction: dryrun}',
      '      - {namespaces: {names: [payments]}, messages: [sidecar-allow-any], enforcementAction: "off"}',
      '      - {namespaces: {selector: {matchLabels: {tier: gold}}}, enforcementAction: deny}',
      '',
    ].join('\n'),
  )
  const rule = chosen(good(text))
  const gold = new Map([['tier', 'gold']])
  t.equal(rule.onUnknown, 'deny')
  t.equal(rule.actionOf('sidecar-allow-any', 'other', undefined), 'warn')
  t.equal(rule.actionOf('sidecar-allow-any', 'shop', undefined), 'dryrun')
  t.equal(rule.actionOf('sidecar-allow-any', 'payments', undefined), 'off')
  t.equal(rule.actionOf('egress-proxy', 'payments', undefined), 'dryrun')
  t.equal(rule.actionOf('egress-proxy', 'shop', gold), 'deny', 'a label may ask for more')
  const later = chosen(good(text, policy('  rules: {no-allow-any: {enforcementAction: deny}}\n')))
  t.equal(later.actionOf('egress-proxy', 'shop', undefined), 'deny', 'a later file wins over earlier overrides')
  t.equal(later.onUnknown, 'deny', 'what it does not say stays')
  t.throws(() => base.actionOf('nonsense', 'shop', undefined))
  t.end()
})

t.test('several documents add up', t => {
  const merged = good(
    policy(
      '  ranges: {pods: [10.0.0.0/16]}\n  mesh: {rootNamespace: mesh, revisions: [a]}\n  identities: {platform: {groups: [g]}}\n  egressGateways: [{name: main, namespace: a, service: s, podLabels: {x: z, b: c}}]\n  rules: {no-capture-bypass: {params: {excludablePorts: [22]}}}\n',
    ),
    policy(
      '  ranges: {pods: [10.1.0.0/16], services: [10.2.0.0/16]}\n  mesh: {rootNamespace: istio-root, revisions: [b]}\n  identities: {platform: {users: [u], serviceAccounts: [ns/sa]}}\n  egressGateways: [{name: main, namespace: a, service: s, podLabels: {b: c, x: z}}]\n  rules: {no-capture-bypass: {params: {excludableInterfaces: [net1]}}}\n  workloads: {mayOptOut: [{namespace: x, serviceAccounts: ["*"]}]}\n',
    ),
    hosts('  hosts: [{host: a.example.com, ports: [{number: 443, protocol: TLS}]}]\n'),
    hosts('  hosts: [{host: a.example.com, ports: [{number: 80, protocol: HTTP}]}]\n'),
  )
  const { facts } = merged
  t.equal(facts.mesh.rootNamespace, 'istio-root', 'of scalars the later wins')
  t.equal(facts.mesh.clusterDomain, 'cluster.local')
  t.strictSame(facts.mesh.revisions, ['a', 'b'])
  t.equal(facts.egressGateways?.length, 1, 'equal entries are one')
  t.equal(facts.approvedHosts.covering('a.example.com').length, 2)
  t.equal(facts.workloads.mayOptOut.length, 1)
  const platform = facts.identities.platform
  t.equal(platform?.({ username: 'u', groups: [] }), true)
  t.equal(platform?.({ username: 'v', groups: ['g'] }), true)
  t.equal(platform?.({ username: 'system:serviceaccount:ns:sa', groups: [] }), true)
  t.equal(platform?.({ username: 'v', groups: [] }), false)
  const rule = merged.rules.find(chosen => chosen.rule.id === 'no-capture-bypass')
  t.match(rule?.params, { excludablePorts: [22], excludableInterfaces: ['net1'], interceptionModes: ['REDIRECT'] })
  t.end()
})

const organisation = `
  egressGateways:
  - {name: main, namespace: egress, service: gw, podLabels: {a: b}, serviceAccount: gw, gateways: [out], gatewayApi: [out-api]}
  waypoints: [{name: way, namespace: egress, namespaces: [shop, "team-*"]}, {name: all, namespace: egress}]
  ingressGateways: [{namespace: ingress, gateways: ["*"], namespaces: [shop]}]
  eastWestGateways: [{namespace: istio-system, gateways: [eastwest]}]
  internalHosts:
  - {host: DB.corp.internal, addresses: [10.8.0.0/24]}
  - {host: "*.vm.corp.internal", addresses: [10.9.0.0/24]}
  identityProviders: [https://login.acme.example, "http://keycloak.auth.svc.cluster.local:8080"]
  telemetryProviders: [{name: tempo, service: tempo.observability.svc.cluster.local}, {name: zipkin}]
  authorizers: [{name: opa, service: opa.auth.svc.cluster.local}]
  nameservers: [10.0.0.10]
  wasmModules: [registry.acme.example/wasm/*]
  identities: {controllers: [istio-system/istiod, flux-system/helm-controller]}
  mesh: {cniExcludedNamespaces: [kube-system]}
`

t.test('a policy says all that an organisation is', t => {
  const { facts } = good(policy(organisation))
  const [gateway] = facts.egressGateways ?? []
  t.match(gateway, { serviceAccount: 'gw', gateways: ['out'], gatewayApi: ['out-api'] })
  const [way, all] = facts.waypoints ?? []
  t.match(way, { name: 'way', namespace: 'egress' })
  t.strictSame(
    ['shop', 'team-a', 'team', 'other'].map(name => [way?.serves(name), all?.serves(name)]),
    [
      [true, true],
      [true, true],
      [false, true],
      [false, true],
    ],
  )
  t.match(facts.ingressGateways, [{ namespace: 'ingress', gateways: ['*'] }])
  t.equal(facts.ingressGateways?.[0]?.serves('billing'), false)
  t.match(facts.eastWestGateways, [{ namespace: 'istio-system', gateways: ['eastwest'] }])
  const covering = (host: string): readonly string[] => facts.internalHosts.covering(host).map(entry => entry.host)
  t.strictSame(covering('db.corp.internal'), ['db.corp.internal'], 'canonical')
  t.strictSame(covering('a.b.vm.corp.internal'), ['*.vm.corp.internal'])
  t.strictSame(covering('vm.corp.internal'), [])
  t.strictSame(facts.identityProviders?.length, 2)
  t.strictSame(facts.telemetryProviders, [
    { name: 'tempo', service: 'tempo.observability.svc.cluster.local' },
    { name: 'zipkin', service: undefined },
  ])
  t.match(facts.authorizers, [{ name: 'opa' }])
  t.strictSame(formatRanges(facts.nameservers ?? nothing), ['10.0.0.10/32'])
  t.strictSame(facts.wasmModules, ['registry.acme.example/wasm/*'])
  t.strictSame(facts.mesh.cniExcludedNamespaces, ['kube-system'])
  const isFlux = { username: 'system:serviceaccount:flux-system:helm-controller', groups: [] }
  t.equal(facts.identities.controllers?.(isFlux), true)
  t.equal(isController(isFlux, facts), true)
  t.equal(isController(undefined, facts), false)
  t.equal(isController({ username: 'system:serviceaccount:istio-system:istiod-canary', groups: [] }, facts), false)
  t.end()
})

t.test('what a policy does not say stays unknown, and lists of several documents add up', t => {
  const { facts: silent } = good()
  const lists = ['waypoints', 'ingressGateways', 'eastWestGateways', 'identityProviders', 'authorizers'] as const
  for (const key of [...lists, 'telemetryProviders', 'nameservers', 'wasmModules'] as const) {
    t.equal(silent[key], undefined, key)
  }
  t.equal(silent.identities.controllers, undefined)
  const istiod = 'system:serviceaccount:istio-system:istiod'
  for (const [username, is] of [
    [istiod, true],
    [`${istiod}-1-31`, true],
    ['system:serviceaccount:shop:istiod', false],
  ] as const) {
    t.equal(isController({ username, groups: [] }, silent), is, username)
  }
  const { facts } = good(
    policy(organisation),
    policy(`
  waypoints: [{name: more, namespace: egress}]
  nameservers: [10.0.0.11]
  wasmModules: [ghcr.io/acme/filter]
  internalHosts: [{host: db.corp.internal, addresses: [10.7.0.0/24]}]
  identities: {controllers: [argocd/argocd-application-controller]}
`),
  )
  t.equal(facts.waypoints?.length, 3)
  t.strictSame(formatRanges(facts.nameservers ?? nothing), ['10.0.0.10/31'])
  t.equal(facts.wasmModules?.length, 2)
  t.equal(facts.internalHosts.covering('db.corp.internal').length, 2)
  t.equal(
    facts.identities.controllers?.({ username: 'system:serviceaccount:flux-system:helm-controller', groups: [] }),
    true,
  )
  t.end()
})

t.test('no policy at all is the baseline, and what it does not say is unknown', t => {
  const baseline = good()
  t.equal(baseline.name, 'baseline')
  t.equal(baseline.facts.egressGateways, undefined)
  t.equal(baseline.facts.identities.platform, undefined)
  t.equal(baseline.facts.ranges.pods, undefined)
  t.equal(baseline.facts.approvedHosts.size, 0)
  t.end()
})

t.test('an approved wildcard covers every depth below, not itself, not look-alikes', t => {
  const { approvedHosts } = good(
    hosts(
      '  defaults: {ports: [{number: 443, protocol: TLS}]}\n  hosts:\n  - host: "*.a.com"\n  - host: a.com\n  - host: "*.b.a.com"\n  - {host: x.a.com, namespaces: [shop, "team-*"]}\n',
    ),
  ).facts
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ['a.com', ['a.com']],
    ['x.a.com', ['x.a.com', '*.a.com']],
    ['y.a.com', ['*.a.com']],
    ['z.b.a.com', ['*.b.a.com', '*.a.com']],
    ['b.a.com', ['*.a.com']],
    ['*.b.a.com', ['*.b.a.com', '*.a.com']],
    ['*.c.a.com', ['*.a.com']],
    ['*.a.com', ['*.a.com']],
    ['*.com', []],
    ['evila.com', []],
    ['com', []],
  ]
  for (const [host, expected] of rows) {
    const found = approvedHosts.covering(host).map(approval => approval.host)
    t.strictSame(found, expected, `${host}: ${expected.join(', ') || 'none'}`)
  }
  const below = approvedHosts.below
  const held: readonly (readonly [string, readonly string[]])[] = [
    ['*.a.com', ['*.a.com', '*.b.a.com', 'x.a.com']],
    ['*.b.a.com', ['*.b.a.com']],
    ['*.com', ['*.a.com', '*.b.a.com', 'a.com', 'x.a.com']],
    ['*a.com', ['*.a.com', '*.b.a.com', 'a.com', 'x.a.com']],
    ['*x.a.com', ['x.a.com']],
    ['*', ['*.a.com', '*.b.a.com', 'a.com', 'x.a.com']],
    ['*.org', []],
  ]
  for (const [wildcard, expected] of held) {
    const found = new Set([...below(wildcard)].map(approval => approval.host))
    t.strictSame([...found].sort(), expected, `below ${wildcard}: ${expected.join(', ') || 'none'}`)
  }
  const [approval] = approvedHosts.covering('x.a.com')
  t.strictSame(
    ['shop', 'team-1', 'team', 'other'].map(name => approval?.allows(name)),
    [true, true, false, false],
  )
  t.end()
})

t.test('days are valid to their end in UTC', t => {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['2027-06-30', '2027-07-01T00:00:00.000Z'],
    ['2027-06-30T12:00:00Z', '2027-06-30T12:00:00.000Z'],
    ['2027-06-30T12:00:00+02:00', '2027-06-30T10:00:00.000Z'],
    ['2027-02-29', undefined],
    ['2028-02-29', '2028-03-01T00:00:00.000Z'],
    ['2027-13-01', undefined],
    ['2027-06-30T25:00:00Z', undefined],
    ['tomorrow', undefined],
    ['', undefined],
  ]
  for (const [text, moment] of rows) {
    const read = readExpiry(text)
    t.equal(read === undefined ? undefined : new Date(read).toISOString(), moment, `${text}: ${moment ?? 'no date'}`)
  }
  t.end()
})

t.test('codes are stable and unique', t => {
  const codes = Object.values(problemCodes)
  t.equal(new Set(codes).size, codes.length)
  t.end()
})

t.test('the schemas are schemas', t => {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictRequired: false })
  ajv.addFormat('ip-range', true)
  for (const kind of policyKinds) {
    t.ok(ajv.validateSchema(policySchema(kind, rules, mutations)), `${kind}: ${ajv.errorsText()}`)
    t.type(ajv.compile(policySchema(kind, rules, mutations)), 'function', `${kind} is strict`)
  }
  t.end()
})

t.test('mutations are switched for all, for some namespaces, and given opinions', t => {
  const chosen = (spec: string, more = spec): Policy['mutations'][number] => {
    const found = good(policy(spec), policy(more)).mutations.find(({ mutation }) => mutation.id === 'set-injection')
    if (found === undefined) throw new Error('no such mutation')
    return found
  }
  const base = chosen('  {}')
  t.ok(base.enabledIn('shop', undefined))
  t.strictSame(base.params, { optOuts: false, revisions: false })
  const off = chosen('  mutations: {set-injection: {enabled: false, params: {optOuts: true}}}')
  t.notOk(off.enabledIn('shop', undefined))
  t.strictSame(off.params, { optOuts: true, revisions: false })
  const some = chosen(
    '  mutations: {set-injection: {enabled: false}}',
    '  mutations: {set-injection: {overrides: [{namespaces: [team-*], enabled: true}]}}',
  )
  t.ok(some.enabledIn('team-a', undefined), 'the later file wins')
  t.notOk(some.enabledIn('shop', undefined))
  t.strictSame(problems(policy('  mutations: {set-injectoin: {enabled: true}, capture-everything: {enable: true}}')), [
    'a.yaml:5:15 spec.mutations.set-injectoin: no such mutation; did you mean "set-injection"?',
    'a.yaml:5:68 spec.mutations.capture-everything.enable: no such key; did you mean "enabled"?',
  ])
  t.end()
})

const stated = 'runAsNonRoot: true, runAsUser: 4201, runAsGroup: 4201, capabilities: {drop: [ALL]}'

/** How strong an action is. */
const rank = (action: EnforcementAction): number => ['off', 'dryrun', 'warn', 'deny'].indexOf(action)

/** Rules that say of every approved host that its route is not traced: refusing that would refuse them all. */
const untraced = new Set(['require-approved-hosts', 'no-direct-backend'])

/** Where readings of a threat differ: what the baseline and what the strict policy make of it. */
const readings: readonly (readonly [title: string, object: string, baseline: string, strict: string])[] = [
  ['a pod that says nothing of its privileges', pod('{}'), 'allow', 'deny'],
  ['explicit root with nothing dropped', pod('{runAsUser: 0}'), 'deny', 'deny'],
  [
    'explicit root that can become nobody else',
    pod('{runAsUser: 0, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}'),
    'warn',
    'deny',
  ],
  ['the user of the proxy', pod('{runAsUser: 1337}'), 'deny', 'deny'],
  ['privilege escalation said aloud', pod(`{allowPrivilegeEscalation: true, ${stated}}`), 'warn', 'deny'],
  ['a pod that states all that is asked for', pod(`{allowPrivilegeEscalation: false, ${stated}}`), 'allow', 'allow'],
  [
    'an entry of the platform exported to all, whose host is approved for some',
    entry('istio-egress', '["*"]'),
    'warn',
    'deny',
  ],
  ['a redirect of callers from outside to a host nobody approved', redirect('[ingress/public]'), 'warn', 'deny'],
  ['the same on the mesh', redirect('[mesh]'), 'deny', 'deny'],
]

function pod(securityContext: string): string {
  return `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {sidecar.istio.io/inject: "true"}}, spec: {containers: [{name: app, image: "a:1", securityContext: ${securityContext}}]}}`
}

function entry(namespace: string, exportTo: string): string {
  return `{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: stripe, namespace: ${namespace}}, spec: {hosts: [api.stripe.com], exportTo: ${exportTo}, ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}}`
}

function redirect(gateways: string): string {
  return `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: web, namespace: shop}, spec: {hosts: [www.shop.example], gateways: ${gateways}, http: [{redirect: {authority: pastebin.example}}]}}`
}

t.test('where readings differ, the strict policy takes the harder one', t => {
  const folder = join(import.meta.dirname, '../policies')
  const own = readFileSync(join(import.meta.dirname, 'fixtures/policy/first.yaml'), 'utf8')
  const cluster = join(import.meta.dirname, '../examples/cluster')
  const objects = readdirSync(cluster).flatMap(name =>
    readManifests(readFileSync(join(cluster, name), 'utf8'), name).documents.map(({ object }) => object as Fields),
  )
  const inventory = inventoryOf(objects, 'all')
  for (const [title, text, ...wanted] of readings) {
    for (const [i, file] of ['baseline.yaml', 'strict.yaml'].entries()) {
      const [document] = readManifests(text, 'object.yaml').documents
      const object = document?.object as Fields
      const ref = refOf(object)
      const review: Review = {
        uid: '',
        operation: 'CREATE',
        kind: kindOf(ref.group, ref.kind),
        ref,
        subresource: '',
        object,
        oldObject: undefined,
        requester: { username: 'pia', groups: ['platform-admins'] },
        dryRun: false,
        phase: 'submitted',
      }
      const { verdict, findings } = evaluate(
        review,
        good(readFileSync(join(folder, file), 'utf8'), own),
        inventory,
        now,
      )
      const said = findings.map(({ rule, message, enforcementAction }) => `${enforcementAction} ${rule}/${message}`)
      t.equal(verdict, wanted[i], `${file}: ${title}: ${said.join(', ')}`)
    }
  }
  t.end()
})

t.test('shipped policies name every rule once; the baseline file is the built-in baseline', t => {
  const folder = join(import.meta.dirname, '../policies')
  for (const file of readdirSync(folder).sort()) {
    const text = readFileSync(join(folder, file), 'utf8')
    const loaded = good(text)
    const named = rules.filter(rule => text.includes(`\n    ${rule.id}:`)).map(rule => rule.id)
    t.strictSame(
      named,
      rules.map(rule => rule.id),
      `${file} names every rule`,
    )
    for (const { rule, actionOf, params, onUnknown } of loaded.rules) {
      for (const [message, { enforcementAction }] of Object.entries(rule.messages)) {
        const action = actionOf(message, 'shop', undefined)
        const label = `${file}: ${rule.id} ${message}`
        if (file === 'baseline.yaml') t.equal(action, enforcementAction, label)
        if (file === 'strict.yaml') t.ok(rank(action) >= rank(enforcementAction), `${label} is no weaker: ${action}`)
        if (file !== 'audit.yaml') continue
        t.not(action, 'deny', `${label} refuses nothing`)
        t.ok(rank(action) <= rank(enforcementAction), `${label} is no louder than the baseline: ${action}`)
      }
      const isStrict = file === 'strict.yaml' && !untraced.has(rule.id)
      t.equal(onUnknown, isStrict ? 'deny' : 'warn', `${file}: ${rule.id}`)
      const defaults = Object.fromEntries(Object.entries(rule.params).map(([name, param]) => [name, param.default]))
      t.strictSame(params, defaults, `${file}: params of ${rule.id}`)
    }
    for (const { mutation, enabledIn } of loaded.mutations) {
      t.ok(text.includes(`\n    ${mutation.id}:`), `${file} names ${mutation.id}`)
      const enabled = file !== 'audit.yaml' && mutation.enabled
      t.equal(enabledIn('shop', undefined), enabled, `${file}: ${mutation.id}`)
    }
  }
  t.end()
})
