import type { Path } from '../../core/path.ts'
import type { Pod } from '../../core/pod.ts'
import { isAskedFor, proxyConfigAnnotation, proxyConfigOf } from '../../core/proxysettings.ts'
import type { Subject, Tools } from '../../core/rule.ts'
import { show } from '../../core/text.ts'
import { few, giveRanges, judgeUncaptured } from '../../core/uncaptured.ts'
import { type Capture, captureAnnotations, type IptablesRun, iptablesArguments } from '../../istio/capture.ts'
import { complement, type Ranges } from '../../istio/cidr.ts'
import { type Fields, field, isFields, list } from '../../istio/json.ts'
import { proxyIdsOf } from '../../istio/proxyuser.ts'
import type { Result } from '../../istio/result.ts'
import { annotationsOf, containersOf, environmentOf, initContainerName } from '../../istio/workload.ts'
import type { ArgumentMessage } from './messages.ts'
import { acceptedRanges, type Params } from './params.ts'

type Judge = Tools<ArgumentMessage, Params>

/** An `istio-init` whose arguments are read. */
interface Init {
  readonly pod: Pod
  readonly run: IptablesRun
  readonly environment: ReadonlyMap<string, string | undefined>
  readonly tools: Judge
  /** Returns where a flag is set: among the arguments, or by a variable. */
  at(flag: string): Path
}

/**
 * Judges what the container `istio-init` of a final pod really makes the pod's network capture: its arguments and the
 * variables that stand for some of them. What an annotation of the pod explains is said of the annotation. In CNI mode the
 * plugin goes by annotations, which the injector writes for what the installation says too, and the arguments of
 * `istio-validation` redirect nothing.
 *
 * Istio: tools/istio-iptables/pkg/cmd/root.go; istio-discovery chart, files/injection-template.yaml (args);
 * cni/pkg/plugin/sidecar_redirect.go (NewRedirect).
 */
export function judgeArguments(subject: Subject, pod: Pod, tools: Judge): void {
  const found = findInit(pod)
  // Another program than the image's takes no notice of the arguments: no-forged-injection speaks of that.
  if (found === undefined || isGiven(field(found.container, 'command'))) return
  const { container, index } = found
  const args = list(field(container, 'args')).map(show)
  const environment = withoutAsked(environmentOf(container), pod)
  const path = (name: 'args' | 'env'): Path => pod.at('spec', 'initContainers', index, name)
  const unreadable = (where: 'args' | 'env', problem: string): void =>
    tools.report('unreadable-arguments', { path: path(where), value: args.join(' '), slots: { problem } })
  const alone = iptablesArguments(args)
  if (!alone.ok) return unreadable('args', alone.why)
  const run = environment.size === 0 ? alone : iptablesArguments(args, environment)
  if (!run.ok) return unreadable('env', run.why)
  const own = alone.value.flags
  const at = (flag: string): Path => path(!own.has(flag) && run.value.flags.has(flag) ? 'env' : 'args')
  const init: Init = { pod, run: run.value, environment, tools, at }
  if (redirectsNothing(init)) return
  judgeSettings(init)
  judgeMode(init)
  judgeUsers(subject, init)
}

/** Variables that an annotation of the pod asks for are judged there, by no-proxy-reconfiguration. */
function withoutAsked(environment: Init['environment'], pod: Pod): Init['environment'] {
  if (environment.size === 0 || !pod.annotations.has(proxyConfigAnnotation)) return environment
  return new Map([...environment].filter(([name, value]) => !isAskedFor(name, value, pod)))
}

function findInit(pod: Pod): { readonly container: Fields; readonly index: number } | undefined {
  for (const { list: where, index, name, container } of containersOf(pod.template)) {
    if (where !== 'initContainers') return undefined
    if (name === initContainerName) return { container, index }
  }
  return undefined
}

function isGiven(command: unknown): boolean {
  return Array.isArray(command) ? command.length > 0 : isFields(command) || typeof command === 'string'
}

/** Flags with which the program writes no rules, or elsewhere; the template sets none of them for `istio-init`. */
const idleFlags = ['dry-run', 'skip-rule-apply', 'cleanup-only', 'network-namespace']

function redirectsNothing({ run, tools, at }: Init): boolean {
  const idle = idleFlags.find(flag => !['', 'false'].includes(run.flags.get(flag) ?? ''))
  if (idle === undefined) return false
  tools.report('idle-program', { path: at(idle), value: `${idle}=${run.flags.get(idle)}`, slots: { flag: idle } })
  return true
}

/** What lets traffic out, by field of `Capture`: the flag that says it. */
const settings = {
  includeOutboundIPRanges: 'istio-service-cidr',
  excludeOutboundIPRanges: 'istio-service-exclude-cidr',
  includeOutboundPorts: 'istio-outbound-ports',
  excludeOutboundPorts: 'istio-local-outbound-ports-exclude',
  excludeInterfaces: 'istio-exclude-interfaces',
  rerouteVirtualInterfaces: 'kube-virt-interfaces',
} as const satisfies Partial<Record<keyof Capture, string>>

type Setting = keyof typeof settings

function judgeSettings(init: Init): void {
  const { run, tools } = init
  const { capture } = run
  const { params } = tools
  const read = <T>(name: Setting, result: Result<T> | undefined, judge: (value: T, flag: string) => void): void => {
    const flag = settings[name]
    if (result === undefined || isExplained(name, run.flags.get(flag), init.pod)) return
    if (result.ok) return judge(result.value, flag)
    const slots = { problem: `--${flag} ${result.why}` }
    tools.report('unreadable-arguments', { path: init.at(flag), value: shown(flag, init), slots })
  }
  read('includeOutboundIPRanges', capture.includeOutboundIPRanges, (ranges, flag) => {
    judgeLeft(complement(ranges), flag, init)
  })
  read('excludeOutboundIPRanges', capture.excludeOutboundIPRanges, (ranges, flag) => judgeLeft(ranges, flag, init))
  read('includeOutboundPorts', capture.includeOutboundPorts, () => {})
  read('excludeOutboundPorts', capture.excludeOutboundPorts, (ports, flag) => {
    const outside = ports.filter(port => !params.excludablePorts.includes(port))
    const noun = outside.length === 1 ? 'port' : 'ports'
    reportSome('argument-ports', outside.length === 0 ? [] : [`${noun} ${few(outside.map(String))}`], flag, init)
  })
  read('excludeInterfaces', capture.excludeInterfaces, (names, flag) => {
    const outside = names.filter(name => !params.excludableInterfaces.includes(name))
    reportSome('argument-interfaces', outside, flag, init)
  })
  read('rerouteVirtualInterfaces', capture.rerouteVirtualInterfaces, (names, flag) => {
    const outside = names.filter(name => !params.reroutableInterfaces.includes(name))
    reportSome('argument-rerouting', outside, flag, init)
  })
}

/** Returns true where an annotation of the pod has the value, which is said, or accepted, there. */
function isExplained(name: Setting, value: string | undefined, { annotations }: Pod): boolean {
  if (value === undefined) return false
  const annotation = annotations.get(captureAnnotations[name])
  if (name !== 'rerouteVirtualInterfaces') return annotation === value
  return (annotation ?? annotations.get(captureAnnotations.kubevirtInterfaces)) === value
}

function shown(flag: string, { run }: Init): string {
  return `${flag}=${run.flags.get(flag) ?? ''}`
}

function judgeLeft(uncaptured: Ranges, flag: string, init: Init): void {
  const answer = judgeUncaptured(uncaptured, init.tools.facts, acceptedRanges(init.tools.params))
  if (answer.leaves === 'yes') reportSome('argument-ranges', [answer.outside], flag, init)
  if (answer.leaves === 'unknown') {
    init.tools.notJudged(init.at(flag), `whether ${answer.outside} is inside the cluster`, giveRanges)
  }
}

function reportSome(message: ArgumentMessage, outside: readonly string[], flag: string, init: Init): void {
  if (outside.length === 0) return
  init.tools.report(message, { path: init.at(flag), value: shown(flag, init), slots: { outside: few(outside) } })
}

const modeFlag = 'istio-inbound-interception-mode'

/** Of the modes only TPROXY makes a difference to the program: with any other it redirects. */
function judgeMode(init: Init): void {
  const { pod, run, tools } = init
  if (run.flags.get(modeFlag) !== 'TPROXY' || tools.params.interceptionModes.includes('TPROXY')) return
  if (pod.annotations.get(captureAnnotations.interceptionMode) === 'TPROXY' || asksForTproxy(pod)) return
  tools.report('argument-mode', { path: init.at(modeFlag), value: 'TPROXY' })
}

function asksForTproxy(pod: Pod): boolean {
  const read = proxyConfigOf(pod)
  const setting = read?.ok ? read.value.find(({ path }) => path.join('.') === 'interceptionMode') : undefined
  return setting?.value === 'TPROXY'
}

/** Whom the program leaves alone: the user and group of the proxy, and no one else. Where it is told none, it asks. */
function judgeUsers(subject: Subject, init: Init): void {
  const { pod, run, tools, environment } = init
  const user = environment.has('ENVOY_USER') ? (environment.get('ENVOY_USER') ?? 'elsewhere') : ''
  for (const [flag, ids, noun] of [
    ['proxy-uid', 'users', 'user'],
    ['proxy-gid', 'groups', 'group'],
  ] as const) {
    const named = (run.flags.get(flag) || (flag === 'proxy-uid' ? user : '')).split(',').filter(id => id !== '')
    const isProxy = (known: ReadonlySet<number>, id: string): boolean => known.has(Number(id)) && /^[0-9]+$/.test(id)
    const own = proxyIdsOf(pod.template, undefined)[ids]
    let outside = named.filter(id => !isProxy(own, id))
    if (outside.length > 0) {
      const namespace = tools.inventory.find('Namespace', '', subject.ref.namespace)
      const given = proxyIdsOf(pod.template, namespace && annotationsOf(namespace))[ids]
      outside = outside.filter(id => !isProxy(given, id))
    }
    reportSome('argument-user', outside.length === 0 ? [] : [`${noun} ${few(outside)}`], flag, init)
  }
}
