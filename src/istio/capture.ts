import { everything, parseCidrList, type Ranges } from './cidr.ts'
import { parseGoBool } from './injection.ts'
import { parsePortList } from './port.ts'
import { bad, good, type Result } from './result.ts'
import { quote, trimSpace } from './text.ts'

/** Pod annotations that say what the sidecar captures, by the field of `Capture` that holds their value. */
export const captureAnnotations = {
  includeOutboundIPRanges: 'traffic.sidecar.istio.io/includeOutboundIPRanges',
  excludeOutboundIPRanges: 'traffic.sidecar.istio.io/excludeOutboundIPRanges',
  includeOutboundPorts: 'traffic.sidecar.istio.io/includeOutboundPorts',
  excludeOutboundPorts: 'traffic.sidecar.istio.io/excludeOutboundPorts',
  excludeInterfaces: 'traffic.sidecar.istio.io/excludeInterfaces',
  rerouteVirtualInterfaces: 'istio.io/reroute-virtual-interfaces',
  kubevirtInterfaces: 'traffic.sidecar.istio.io/kubevirtInterfaces',
  includeInboundPorts: 'traffic.sidecar.istio.io/includeInboundPorts',
  excludeInboundPorts: 'traffic.sidecar.istio.io/excludeInboundPorts',
  interceptionMode: 'sidecar.istio.io/interceptionMode',
  statusPort: 'status.sidecar.istio.io/port',
} as const satisfies Record<keyof Capture, string>

/** How packets reach the proxy. */
export type InterceptionMode =
  /** By NAT to a local port. */
  | 'REDIRECT'
  /** Unchanged, by marks; the proxy runs as root. */
  | 'TPROXY'
  /** Not at all. */
  | 'NONE'

/** Ports as Istio lists them: `all` is the exact value `*`. */
export type PortSet = 'all' | readonly number[]

/** What a pod says about the capture of its traffic; undefined where it says nothing, a failure where Istio refuses it. */
export type Capture = {
  /** Captured destinations; the exact value `*` is everything, the empty one nothing. */
  readonly includeOutboundIPRanges: Result<Ranges> | undefined
  readonly excludeOutboundIPRanges: Result<Ranges> | undefined
  /** Ports captured besides the included ranges. */
  readonly includeOutboundPorts: Result<readonly number[]> | undefined
  /** Ports at which TCP and UDP leave uncaptured. */
  readonly excludeOutboundPorts: Result<readonly number[]> | undefined
  /** Interfaces at which nothing is captured. */
  readonly excludeInterfaces: Result<readonly string[]> | undefined
  /** Interfaces of virtual machines whose traffic is treated as outbound. */
  readonly rerouteVirtualInterfaces: Result<readonly string[]> | undefined
  /** Deprecated name of the same; has no effect beside the new one. */
  readonly kubevirtInterfaces: Result<readonly string[]> | undefined
  readonly includeInboundPorts: Result<PortSet> | undefined
  readonly excludeInboundPorts: Result<readonly number[]> | undefined
  readonly interceptionMode: Result<InterceptionMode> | undefined
  readonly statusPort: Result<number> | undefined
}

/** What the arguments of an init container make `istio-iptables` do. */
export type IptablesRun = {
  /** What is captured: what no flag says is the program's default. Without flag are `kubevirtInterfaces`, `statusPort`. */
  readonly capture: Capture
  /** Each flag that is set, by its long name without dashes, with the value that counts. */
  readonly flags: ReadonlyMap<string, string>
}

/**
 * Returns what the annotations of a pod say about the capture of its traffic.
 *
 *     value      includeOutboundIPRanges   excludeOutboundIPRanges   ports       interfaces
 *     *          everything                failure                   see below   failure
 *     (empty)    nothing                   nothing                   none        none
 *     a, b       failure: no trimming      failure                   a and b     a and b
 *
 * Of the port lists only `includeInboundPorts` takes `*`. `includeOutboundPorts` is read as the CNI plugin reads it, since
 * the injector does not look at it; a `*` there, which the plugin lets pass, ends in a rule that iptables refuses.
 *
 * Istio: pkg/kube/inject/validate.go; cni/pkg/plugin/sidecar_redirect.go.
 */
export function readCapture(annotations: ReadonlyMap<string, string>): Capture {
  return readSettings(name => annotations.get(captureAnnotations[name]))
}

/** Returns the interfaces that are rerouted: those of the newer annotation, even if empty, before those of the older. */
export function reroutedInterfaces(capture: Capture): Result<readonly string[]> | undefined {
  return capture.rerouteVirtualInterfaces ?? capture.kubevirtInterfaces
}

function readSettings(lookUp: (name: keyof Capture) => string | undefined): Capture {
  const read = <T>(name: keyof Capture, parse: (text: string) => Result<T>): Result<T> | undefined => {
    const value = lookUp(name)
    return value === undefined ? undefined : parse(value)
  }
  return {
    includeOutboundIPRanges: read('includeOutboundIPRanges', parseIncludedRanges),
    excludeOutboundIPRanges: read('excludeOutboundIPRanges', parseCidrList),
    includeOutboundPorts: read('includeOutboundPorts', parsePortList),
    excludeOutboundPorts: read('excludeOutboundPorts', parsePortList),
    excludeInterfaces: read('excludeInterfaces', parseInterfaceList),
    rerouteVirtualInterfaces: read('rerouteVirtualInterfaces', parseInterfaceList),
    kubevirtInterfaces: read('kubevirtInterfaces', parseInterfaceList),
    includeInboundPorts: read('includeInboundPorts', parsePortSet),
    excludeInboundPorts: read('excludeInboundPorts', parsePortList),
    interceptionMode: read('interceptionMode', parseInterceptionMode),
    statusPort: read('statusPort', parseStatusPort),
  }
}

/** Returns the ranges of an `includeOutboundIPRanges` value: everything for the exact text `*`, else a list of prefixes. */
export function parseIncludedRanges(text: string): Result<Ranges> {
  return text === '*' ? good(everything) : parseCidrList(text)
}

/**
 * Returns the names of a comma-separated list of network interfaces, each trimmed; the empty text names none.
 *
 * Istio: pkg/util/net/ip.go (ValidateInterfaceNames).
 */
export function parseInterfaceList(text: string): Result<readonly string[]> {
  if (text === '') return good([])
  const names = text.split(',').map(trimSpace)
  // Go's `$` without the flag m is the end of the text only, as JavaScript's.
  const wrong = names.find(name => name.length > 15 || !/^[a-zA-Z][a-zA-Z0-9_.-]*$/.test(name))
  return wrong === undefined ? good(names) : bad(`holds ${quote(wrong)}, which is no name of a network interface`)
}

function parsePortSet(text: string): Result<PortSet> {
  return text === '*' ? good('all') : parsePortList(text)
}

function parseInterceptionMode(text: string): Result<InterceptionMode> {
  if (text === 'REDIRECT' || text === 'TPROXY' || text === 'NONE') return good(text)
  return bad(`is ${quote(text)}, which is none of REDIRECT, TPROXY, NONE`)
}

function parseStatusPort(text: string): Result<number> {
  const ports = parsePortList(text)
  if (!ports.ok) return ports
  const [port, ...more] = ports.value
  return port === undefined || more.length > 0 ? bad(`is ${quote(text)}, which is no port`) : good(port)
}

/** Flags of `istio-iptables` that take a value, by long name; a value here is the one-letter form. */
const valueFlags: ReadonlyMap<string, string> = new Map([
  ['envoy-port', 'p'],
  ['inbound-capture-port', 'z'],
  ['inbound-tunnel-port', 'e'],
  ['proxy-uid', 'u'],
  ['proxy-gid', 'g'],
  ['istio-inbound-interception-mode', 'm'],
  ['istio-inbound-ports', 'b'],
  ['istio-local-exclude-ports', 'd'],
  ['istio-exclude-interfaces', 'c'],
  ['istio-service-cidr', 'i'],
  ['istio-service-exclude-cidr', 'x'],
  ['istio-outbound-ports', 'q'],
  ['istio-local-outbound-ports-exclude', 'o'],
  ['kube-virt-interfaces', 'k'],
  ['istio-inbound-tproxy-mark', 't'],
  ['istio-inbound-tproxy-route-table', 'r'],
  ['iptables-probe-port', ''],
  ['probe-timeout', ''],
  ['network-namespace', ''],
  ['force-iptables-binary', ''],
  ['log_target', ''],
  ['log_output_level', ''],
  ['log_stacktrace_level', ''],
  ['log_caller', ''],
])

/** Flags that are on or off, in the same form. */
const switchFlags: ReadonlyMap<string, string> = new Map([
  ['dry-run', 'n'],
  ['skip-rule-apply', ''],
  ['run-validation', ''],
  ['redirect-dns', ''],
  ['drop-invalid', ''],
  ['dual-stack', ''],
  ['capture-all-dns', ''],
  ['cni-mode', ''],
  ['reconcile', ''],
  ['cleanup-only', ''],
  ['force-apply', ''],
  ['native-nftables', ''],
  ['log_as_json', ''],
])

const longNames: ReadonlyMap<string, string> = new Map(
  [...valueFlags, ...switchFlags].flatMap(([long, short]): [string, string][] => (short === '' ? [] : [[short, long]])),
)

/** Variables that set a flag besides the one named like it, in the order in which they are read. */
const otherVariables: readonly (readonly [string, string])[] = [
  ['redirect-dns', 'ISTIO_META_DNS_CAPTURE'],
  ['drop-invalid', 'INVALID_DROP'],
  ['dual-stack', 'ISTIO_DUAL_STACK'],
]

/** Flags that say what is captured, by field; the older name of the rerouted interfaces and the status port have none. */
const captureFlags: Partial<Record<keyof Capture, readonly [flag: string, byDefault: string]>> = {
  includeOutboundIPRanges: ['istio-service-cidr', ''],
  excludeOutboundIPRanges: ['istio-service-exclude-cidr', ''],
  includeOutboundPorts: ['istio-outbound-ports', ''],
  excludeOutboundPorts: ['istio-local-outbound-ports-exclude', ''],
  excludeInterfaces: ['istio-exclude-interfaces', ''],
  rerouteVirtualInterfaces: ['kube-virt-interfaces', ''],
  includeInboundPorts: ['istio-inbound-ports', ''],
  excludeInboundPorts: ['istio-local-exclude-ports', ''],
  interceptionMode: ['istio-inbound-interception-mode', 'REDIRECT'],
}

/** Most arguments that are read; the injector writes some twenty. */
const argumentLimit = 10_000

/** Longest argument with which Linux starts a program, its final zero included: MAX_ARG_STRLEN of linux/binfmts.h. */
const longestArgument = 131_072

/**
 * Returns what the arguments of an `istio-init` or `istio-validation` container make `istio-iptables` do, under the
 * environment of that container (a variable set to undefined is one whose value is elsewhere). Flags come in all forms
 * that the program takes, `-i V`, `-iV`, `-i=V`, `--istio-service-cidr V`, `--istio-service-cidr=V`, the last one counts,
 * and a flag beats its variable. What is not set is not captured: without `-i` nothing is.
 *
 * Fails where the first argument is another command, a flag is unknown or lacks its value, help is asked for (then the
 * program does nothing), or the text refers to a variable, `$(NAME)`. An `istio-validation` container has the switch
 * `skip-rule-apply` among its flags: it only checks, and the CNI plugin goes by the annotations.
 *
 * Istio: tools/istio-iptables/pkg/cmd/root.go, pkg/flag/flag.go; flags as github.com/spf13/pflag parses them.
 */
export function iptablesArguments(
  args: readonly string[],
  environment: ReadonlyMap<string, string | undefined> = new Map(),
): Result<IptablesRun> {
  if (args.length > argumentLimit) return bad(`has more than ${argumentLimit} arguments`)
  const [command, ...rest] = args
  if (rest.some(arg => arg.length >= longestArgument)) return bad('has an argument longer than Linux takes')
  if (command !== 'istio-iptables') return bad('does not begin with "istio-iptables"')
  const reference = rest.find(arg => arg.includes('$('))
  if (reference !== undefined) return bad(`has ${quote(reference)}, which refers to a variable`)
  const set = flagsOfEnvironment(environment)
  if (!set.ok) return set
  const flags = new Map(set.value)
  // Not shift(): of a list this long that takes time for each argument that is left.
  const queue = rest.values()
  for (let arg = queue.next().value; arg !== undefined && arg !== '--'; arg = queue.next().value) {
    // What is not a flag is an operand, which the program ignores, wherever it stands.
    if (arg.length < 2 || !arg.startsWith('-')) continue
    const why = arg.startsWith('--') ? readLong(arg, queue, flags) : readShort(arg, queue, flags)
    if (why !== undefined) return bad(why)
  }
  const capture = readSettings(name => {
    const flag = captureFlags[name]
    return flag === undefined ? undefined : flags.get(flag[0]) || flag[1]
  })
  return good({ capture, flags })
}

/** Each flag with the variables that set it; the port of the proxy has none, and logging neither. */
const variables: readonly (readonly [flag: string, variable: string])[] = [
  ...[...valueFlags.keys(), ...switchFlags.keys()]
    .filter(flag => flag !== 'envoy-port' && !flag.startsWith('log_'))
    .map(flag => [flag, flag.toUpperCase().replaceAll('-', '_')] as const),
  ...otherVariables,
]

function flagsOfEnvironment(environment: ReadonlyMap<string, string | undefined>): Result<ReadonlyMap<string, string>> {
  const flags = new Map<string, string>()
  if (environment.size === 0) return good(flags)
  for (const [flag, variable] of variables) {
    if (!environment.has(variable)) continue
    const value = environment.get(variable)
    if (value === undefined || value.includes('$('))
      return bad(`has the variable ${variable}, whose value is elsewhere`)
    // A variable that is neither true nor false leaves its switch off.
    flags.set(flag, valueFlags.has(flag) ? value : String(parseGoBool(value) ?? false))
  }
  return good(flags)
}

function readLong(arg: string, queue: Iterator<string, undefined>, flags: Map<string, string>): string | undefined {
  const equals = arg.indexOf('=')
  const name = arg.slice(2, equals < 0 ? undefined : equals)
  return setFlag({ name, shown: arg, value: equals < 0 ? undefined : arg.slice(equals + 1), queue, flags })
}

function readShort(arg: string, queue: Iterator<string, undefined>, flags: Map<string, string>): string | undefined {
  let letters = arg.slice(1)
  while (letters !== '') {
    const name = longNames.get(letters.charAt(0)) ?? ''
    const rest = letters.slice(1)
    // A single "=" at the end is no sign of a value that follows, but the value itself.
    const afterEquals = rest.length > 1 && rest.startsWith('=') ? rest.slice(1) : undefined
    const attached = afterEquals ?? (valueFlags.has(name) && rest !== '' ? rest : undefined)
    const why = setFlag({ name, shown: arg, value: attached, queue, flags })
    if (why !== undefined) return why
    letters = attached === undefined && switchFlags.has(name) ? rest : ''
  }
  return undefined
}

function setFlag(flag: {
  readonly name: string
  readonly shown: string
  readonly value: string | undefined
  readonly queue: Iterator<string, undefined>
  readonly flags: Map<string, string>
}): string | undefined {
  const { name, shown, queue, flags } = flag
  if (switchFlags.has(name)) {
    const on = parseGoBool(flag.value ?? 'true')
    if (on === undefined) return `has ${quote(shown)}, which is neither true nor false`
    flags.set(name, String(on))
    return undefined
  }
  if (!valueFlags.has(name)) return `has ${quote(shown)}, which is no flag of "istio-iptables"`
  const value = flag.value ?? queue.next().value
  if (value === undefined) return `has ${quote(shown)} without its value`
  flags.set(name, value)
  return undefined
}
