import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  type Capture,
  captureAnnotations,
  type IptablesRun,
  iptablesArguments,
  readCapture,
  reroutedInterfaces,
} from '../src/istio/capture.ts'
import { everything, formatRanges, includes, nothing, type Ranges } from '../src/istio/cidr.ts'
import { field, list } from '../src/istio/json.ts'
import type { Result } from '../src/istio/result.ts'
import { annotationsOf, containersOf } from '../src/istio/workload.ts'
import { readYaml } from '../src/istio/yaml.ts'

const include = captureAnnotations.includeOutboundIPRanges
const exclude = captureAnnotations.excludeOutboundIPRanges

function read(annotations: Record<string, string>): Capture {
  return readCapture(new Map(Object.entries(annotations)))
}

// A failure is shown as its clause, so that one table holds both.
function show(result: Result<unknown> | undefined): unknown {
  return result === undefined ? 'absent' : result.ok ? result.value : result.why
}

function showRanges(result: Result<Ranges> | undefined): unknown {
  return result?.ok ? formatRanges(result.value).join(' ') : show(result)
}

t.test('annotations: ranges', t => {
  const all = '0.0.0.0/0 ::/0'
  const rows: [annotation: string, value: string, ranges: string | RegExp][] = [
    [include, '*', all],
    [include, '', ''],
    [include, '0.0.0.0/0', '0.0.0.0/0'],
    [include, '0.0.0.0/0,::/0', all],
    [include, '10.96.0.0/12,10.244.0.0/16', '10.96.0.0/12 10.244.0.0/16'],
    [include, '1.2.3.4/0', '0.0.0.0/0'],
    [include, '*,10.0.0.0/8', /holds "\*"/],
    [include, ' *', /holds " \*"/],
    [include, '10.0.0.0/8, 10.1.0.0/16', /holds " 10.1.0.0\/16"/],
    [include, '10.0.0.1', /holds "10.0.0.1"/],
    [exclude, '*', /holds "\*"/],
    [exclude, '', ''],
    [exclude, '0.0.0.0/1,128.0.0.0/1', '0.0.0.0/0'],
    [exclude, '2000::/3', '2000::/3'],
    [exclude, '203.0.113.99/24', '203.0.113.0/24'],
    [exclude, ',', /holds ""/],
  ]
  for (const [annotation, value, ranges] of rows) {
    const capture = read({ [annotation]: value })
    const result = annotation === include ? capture.includeOutboundIPRanges : capture.excludeOutboundIPRanges
    const shown = `${showRanges(result)}`
    const name = `${annotation}: ${JSON.stringify(value)} is ${ranges}`
    if (typeof ranges === 'string') t.equal(shown, ranges, name)
    else t.match(shown, ranges, name)
  }
  t.end()
})

t.test('annotations: ports, interfaces, modes', t => {
  type Row = [
    name: Exclude<keyof Capture, 'includeOutboundIPRanges' | 'excludeOutboundIPRanges'>,
    value: string,
    is: unknown,
  ]
  const rows: Row[] = [
    ['excludeOutboundPorts', '443', [443]],
    ['excludeOutboundPorts', ' 0443 , 80 ', [443, 80]],
    ['excludeOutboundPorts', '', []],
    ['excludeOutboundPorts', ' ', []],
    ['excludeOutboundPorts', '*', /"\*"/],
    ['excludeOutboundPorts', '80:443', /"80:443"/],
    ['excludeOutboundPorts', '65536', /"65536"/],
    ['excludeOutboundPorts', '443,', /""/],
    ['includeOutboundPorts', '443,8443', [443, 8443]],
    ['includeOutboundPorts', '*', /"\*"/],
    ['includeOutboundPorts', '443" - "-x', /no port/],
    ['includeInboundPorts', '*', 'all'],
    ['includeInboundPorts', '', []],
    ['includeInboundPorts', ' *', /"\*"/],
    ['includeInboundPorts', '8080', [8080]],
    ['excludeInboundPorts', '15020', [15020]],
    ['excludeInboundPorts', '*', /"\*"/],
    ['excludeInterfaces', '', []],
    ['excludeInterfaces', 'eth0', ['eth0']],
    ['excludeInterfaces', ' eth0 ,net1', ['eth0', 'net1']],
    ['excludeInterfaces', 'eth0,', /holds ""/],
    ['excludeInterfaces', ' ', /holds ""/],
    ['excludeInterfaces', '*', /holds "\*"/],
    ['excludeInterfaces', '1eth', /holds "1eth"/],
    ['excludeInterfaces', 'a23456789012345', ['a23456789012345']],
    ['excludeInterfaces', 'a234567890123456', /holds "a234567890123456"/],
    ['excludeInterfaces', 'eth0\n', ['eth0']],
    ['excludeInterfaces', 'eth0\n-x', /is no name of a network interface/],
    ['rerouteVirtualInterfaces', 'br0', ['br0']],
    ['kubevirtInterfaces', 'k6t-net0', ['k6t-net0']],
    ['interceptionMode', 'REDIRECT', 'REDIRECT'],
    ['interceptionMode', 'TPROXY', 'TPROXY'],
    ['interceptionMode', 'NONE', 'NONE'],
    ['interceptionMode', 'none', /is "none", which is none of REDIRECT, TPROXY, NONE/],
    ['interceptionMode', '', /is "", which is none of/],
    ['statusPort', '15020', 15020],
    ['statusPort', ' 15021 ', 15021],
    ['statusPort', '', /is "", which is no port/],
    ['statusPort', '1,2', /is "1,2", which is no port/],
    ['statusPort', 'x', /"x"/],
  ]
  for (const [name, value, is] of rows) {
    const shown = show(read({ [captureAnnotations[name]]: value })[name])
    const title = `${name}: ${JSON.stringify(value)} is ${is}`
    if (is instanceof RegExp) t.match(`${shown}`, is, title)
    else t.strictSame(shown, is, title)
  }
  t.strictSame(
    Object.values(read({ 'example.com/other': '*' })).map(show),
    Array.from({ length: Object.keys(captureAnnotations).length }, () => 'absent'),
    'what is not set is absent',
  )
  t.end()
})

t.test('rerouted interfaces: the newer annotation beats the older', t => {
  const older = { [captureAnnotations.kubevirtInterfaces]: 'eth0' }
  t.strictSame(show(reroutedInterfaces(read(older))), ['eth0'])
  t.strictSame(show(reroutedInterfaces(read({ ...older, [captureAnnotations.rerouteVirtualInterfaces]: 'br0' }))), [
    'br0',
  ])
  t.strictSame(show(reroutedInterfaces(read({ ...older, [captureAnnotations.rerouteVirtualInterfaces]: '' }))), [])
  t.equal(reroutedInterfaces(read({})), undefined)
  t.end()
})

function run(args: readonly string[], environment: Record<string, string | undefined> = {}): IptablesRun {
  const result = iptablesArguments(['istio-iptables', ...args], new Map(Object.entries(environment)))
  if (!result.ok) throw new Error(result.why)
  return result.value
}

t.test('arguments of istio-iptables', t => {
  const rows: [args: string[], flag: string, value: string | undefined][] = [
    [['-i', '10.0.0.0/8'], 'istio-service-cidr', '10.0.0.0/8'],
    [['-i=10.0.0.0/8'], 'istio-service-cidr', '10.0.0.0/8'],
    [['-i10.0.0.0/8'], 'istio-service-cidr', '10.0.0.0/8'],
    [['-i='], 'istio-service-cidr', '='],
    [['-i', ''], 'istio-service-cidr', ''],
    [['--istio-service-cidr', '10.0.0.0/8'], 'istio-service-cidr', '10.0.0.0/8'],
    [['--istio-service-cidr=10.0.0.0/8'], 'istio-service-cidr', '10.0.0.0/8'],
    [['--istio-service-cidr='], 'istio-service-cidr', ''],
    [['--istio-service-cidr=a=b'], 'istio-service-cidr', 'a=b'],
    [['-i', '*', '-i', ''], 'istio-service-cidr', ''],
    [['-i', '-x'], 'istio-service-cidr', '-x'],
    [['-ni', '10.0.0.0/8'], 'istio-service-cidr', '10.0.0.0/8'],
    [['-ni', '10.0.0.0/8'], 'dry-run', 'true'],
    [['-n=false'], 'dry-run', 'false'],
    [['--dry-run', 'false'], 'dry-run', 'true'],
    [['--dry-run=f'], 'dry-run', 'false'],
    [['--skip-rule-apply'], 'skip-rule-apply', 'true'],
    [['--log_output_level=default:info', '--log_as_json'], 'log_as_json', 'true'],
    [['-', 'operand', '', '-i', '*'], 'istio-service-cidr', '*'],
    [['--', '-i', '*'], 'istio-service-cidr', undefined],
    [['-x', '10.0.0.0/8'], 'istio-service-exclude-cidr', '10.0.0.0/8'],
    [['-q', '443'], 'istio-outbound-ports', '443'],
    [['-o', '443'], 'istio-local-outbound-ports-exclude', '443'],
    [['-c', 'eth0'], 'istio-exclude-interfaces', 'eth0'],
    [['-k', 'br0'], 'kube-virt-interfaces', 'br0'],
    [['-u', '1337,0'], 'proxy-uid', '1337,0'],
    [['-g', '1337'], 'proxy-gid', '1337'],
    [['-m', 'TPROXY'], 'istio-inbound-interception-mode', 'TPROXY'],
  ]
  for (const [args, flag, value] of rows)
    t.equal(run(args).flags.get(flag), value, `${JSON.stringify(args)} sets ${flag} to ${JSON.stringify(value)}`)
  t.end()
})

t.test('environment of istio-iptables', t => {
  const rows: [environment: Record<string, string>, args: string[], flag: string, value: string | undefined][] = [
    [{ ISTIO_SERVICE_CIDR: '10.0.0.0/8' }, [], 'istio-service-cidr', '10.0.0.0/8'],
    [{ ISTIO_SERVICE_CIDR: '10.0.0.0/8' }, ['-i', '*'], 'istio-service-cidr', '*'],
    [{ ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE: '443' }, [], 'istio-local-outbound-ports-exclude', '443'],
    [{ SKIP_RULE_APPLY: '1' }, [], 'skip-rule-apply', 'true'],
    [{ SKIP_RULE_APPLY: 'yes' }, [], 'skip-rule-apply', 'false'],
    [{ REDIRECT_DNS: 'true', ISTIO_META_DNS_CAPTURE: 'false' }, [], 'redirect-dns', 'false'],
    [{ ISTIO_DUAL_STACK: 'true' }, [], 'dual-stack', 'true'],
    [{ INVALID_DROP: 'true' }, [], 'drop-invalid', 'true'],
    [{ ENVOY_PORT: '1' }, [], 'envoy-port', undefined],
    [{ LOG_TARGET: 'x' }, [], 'log_target', undefined],
  ]
  for (const [environment, args, flag, value] of rows)
    t.equal(
      run(args, environment).flags.get(flag),
      value,
      `${JSON.stringify(environment)} ${args}: ${flag} is ${value}`,
    )
  t.end()
})

t.test('arguments that are refused', t => {
  const rows: [args: string[], why: RegExp, environment?: Record<string, string | undefined>][] = [
    [[], /does not begin with "istio-iptables"/],
    [['proxy', 'sidecar'], /does not begin with "istio-iptables"/],
    [['istio-iptables', '-i'], /has "-i" without its value/],
    [['istio-iptables', '--istio-service-cidr'], /has "--istio-service-cidr" without its value/],
    [['istio-iptables', '-h'], /"-h", which is no flag/],
    [['istio-iptables', '--help'], /"--help", which is no flag/],
    [['istio-iptables', '--iptables-trace-logging'], /is no flag/],
    [['istio-iptables', '--=x'], /"--=x", which is no flag/],
    [['istio-iptables', '--i=x'], /"--i=x", which is no flag/],
    [['istio-iptables', '-n='], /"-n=", which is no flag/],
    [['istio-iptables', '--dry-run=maybe'], /"--dry-run=maybe", which is neither true nor false/],
    [['istio-iptables', '-i', '$(RANGES)'], /"\$\(RANGES\)", which refers to a variable/],
    [
      ['istio-iptables'],
      /the variable ISTIO_SERVICE_CIDR, whose value is elsewhere/,
      { ISTIO_SERVICE_CIDR: undefined },
    ],
    [['istio-iptables'], /the variable DRY_RUN, whose value is elsewhere/, { DRY_RUN: '$(X)' }],
  ]
  for (const [args, why, environment] of rows)
    t.match(
      iptablesArguments(args, new Map(Object.entries(environment ?? {}))),
      { ok: false, why },
      `${JSON.stringify(args)}: ${why}`,
    )
  t.end()
})

t.test('what is not set is not captured', t => {
  const { capture } = run([])
  t.strictSame(show(capture.includeOutboundIPRanges), nothing)
  t.strictSame(show(capture.excludeOutboundIPRanges), nothing)
  for (const name of [
    'includeOutboundPorts',
    'excludeOutboundPorts',
    'includeInboundPorts',
    'excludeInboundPorts',
  ] as const)
    t.strictSame(show(capture[name]), [], name)
  t.strictSame(show(capture.excludeInterfaces), [])
  t.strictSame(show(capture.rerouteVirtualInterfaces), [])
  t.strictSame(show(capture.kubevirtInterfaces), 'absent')
  t.strictSame(show(capture.interceptionMode), 'REDIRECT')
  t.strictSame(show(run(['-m', '']).capture.interceptionMode), 'REDIRECT')
  t.match(show(run(['-m', 'odd']).capture.interceptionMode), /"odd"/)
  t.match(show(run(['-x', '*']).capture.excludeOutboundIPRanges), /"\*"/)
  t.end()
})

t.test('recorded pods', t => {
  const folder = join(import.meta.dirname, 'fixtures', 'pods')
  for (const file of readdirSync(folder).filter(name => name.endsWith('.final.yaml'))) {
    const pod = readYaml(readFileSync(join(folder, file), 'utf8'))
    if (!pod.ok) throw new Error(`${file} ${pod.why}`)
    const annotated = readCapture(annotationsOf(pod.value))
    const runs = [...containersOf(pod.value)]
      .filter(({ name }) => name === 'istio-init' || name === 'istio-validation')
      .map(({ container }) => iptablesArguments(list(field(container, 'args')).map(String)))
    const expected = file.startsWith('05') || file.startsWith('06') ? 0 : 1
    t.equal(runs.length, expected, `${file}: ${expected} init container`)
    for (const result of runs) {
      if (!result.ok) throw new Error(`${file} ${result.why}`)
      const { capture, flags } = result.value
      t.strictSame(show(capture.includeOutboundIPRanges), everything, `${file}: everything is included`)
      t.equal(
        showRanges(capture.excludeOutboundIPRanges),
        file.startsWith('04') ? '0.0.0.0/0' : '',
        `${file}: excluded`,
      )
      t.strictSame(show(capture.includeInboundPorts), 'all')
      t.strictSame(show(capture.excludeInboundPorts), [15090, 15021, 15020])
      t.strictSame(show(capture.interceptionMode), 'REDIRECT')
      t.equal(flags.get('proxy-uid'), '1337')
      t.equal(flags.get('skip-rule-apply'), file.startsWith('03') ? 'true' : undefined, `${file}: rules by the plugin`)
      const told = annotated.excludeOutboundIPRanges
      if (told?.ok && capture.excludeOutboundIPRanges?.ok)
        t.ok(includes(capture.excludeOutboundIPRanges.value, told.value), `${file}: as the annotation says`)
    }
    if (file.startsWith('03')) {
      t.strictSame(show(annotated.includeOutboundIPRanges), everything, 'in CNI mode the annotations say it too')
      t.strictSame(show(annotated.interceptionMode), 'REDIRECT')
    }
  }
  t.end()
})
