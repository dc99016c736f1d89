import { field, list, text } from './json.ts'
import { initContainerName, proxyContainerName, validationContainerName } from './workload.ts'

/** Whether a name is that of a container which the injector brings. */
export function isInjectedName(name: string): boolean {
  return name === proxyContainerName || name === initContainerName || name === validationContainerName
}

/** Volumes that the template mounts into the proxy, by path; a path has two where values of the installation choose. */
const templateMounts: ReadonlyMap<string, readonly string[]> = new Map([
  ['/etc/certs', ['istio-certs']],
  ['/etc/istio/pod', ['istio-podinfo']],
  ['/etc/istio/proxy', ['istio-envoy']],
  // The tracer's certificates may be mounted elsewhere, by the mesh configuration; this is where its documentation does.
  ['/etc/lightstep', ['lightstep-certs']],
  ['/var/lib/istio/data', ['istio-data']],
  ['/var/run/secrets/credential-uds', ['credential-socket']],
  ['/var/run/secrets/istio', ['istiod-ca-cert']],
  ['/var/run/secrets/istio/crl', ['istio-ca-crl']],
  ['/var/run/secrets/tokens', ['istio-token']],
  ['/var/run/secrets/workload-spiffe-credentials', ['workload-certs', 'gke-workload-certificate']],
  ['/var/run/secrets/workload-spiffe-uds', ['workload-socket']],
])

const templateVolumes: ReadonlySet<string> = new Set([
  'custom-bootstrap-volume',
  ...[...templateMounts.values()].flat(),
])

/** Returns true for the names of volumes that the template brings: another volume of that name would be in its place. */
export function isTemplateVolume(name: string): boolean {
  return templateVolumes.has(name)
}

/** Where the API server mounts the token of the service account into every container, from a volume of a random name. */
const tokenMount = { path: '/var/run/secrets/kubernetes.io/serviceaccount', volume: 'kube-api-access-' }

/** A mount of a container, as far as it says what is found where. */
export type Mount = {
  /** Without a slash at the end. */
  readonly path: string
  readonly volume: string
  /** True where only a part of the volume is mounted, which neither template nor API server ask for. */
  readonly isPart: boolean
}

/** Returns a mount of a container; what is no text is empty. */
export function readMount(mount: unknown): Mount {
  const path = text(field(mount, 'mountPath')) ?? ''
  return {
    path: path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path,
    volume: text(field(mount, 'name')) ?? '',
    isPart: (field(mount, 'subPath') ?? '') !== '' || (field(mount, 'subPathExpr') ?? '') !== '',
  }
}

/**
 * Returns true where the injection template or the API server mounts that volume at that path into a container of that
 * name: into the proxy what it reads and writes, into every container the token of its service account.
 *
 * Istio: istio-discovery chart, files/injection-template.yaml (volumeMounts). Kubernetes: admission plugin ServiceAccount.
 */
export function isTemplateMount(container: string, { path, volume, isPart }: Mount): boolean {
  if (isPart) return false
  if (path === tokenMount.path) return volume.startsWith(tokenMount.volume)
  return container === proxyContainerName && templateMounts.get(path)?.includes(volume) === true
}

/**
 * Returns true for the commands that the template writes into hooks of the proxy: `pilot-agent wait` after the start where
 * the application is held back, and `pilot-agent request --debug-port=N POST drain` before the end of a native sidecar.
 *
 * Istio: istio-discovery chart, files/injection-template.yaml (lifecycle).
 */
export function isTemplateCommand(words: readonly string[]): boolean {
  const [program, action, port, ...rest] = words
  if (program !== 'pilot-agent') return false
  if (action === 'wait') return port === undefined
  return action === 'request' && /^--debug-port=[0-9]+$/.test(port ?? '') && rest.join(' ') === 'POST drain'
}

/** Arguments that the template writes after `proxy sidecar`: flags with their value behind `=`. */
const proxyFlags: ReadonlySet<string> = new Set([
  '--proxyLogLevel',
  '--proxyComponentLogLevel',
  '--log_output_level',
  '--stsPort',
  '--outlierLogPath',
])

/** Flags that istiod writes into the proxies of Gateways, with their value in the next argument. */
const gatewayFlags: ReadonlySet<string> = new Set([
  '--domain',
  '--serviceCluster',
  '--proxyLogLevel',
  '--proxyComponentLogLevel',
  '--log_output_level',
])

/** What is wrong with the arguments of a proxy. */
export type ArgumentFault =
  /** It is no sidecar, or no proxy at all. */
  | { readonly kind: 'role' }
  /** An argument that the template never writes. */
  | { readonly kind: 'flag'; readonly index: number }

/**
 * Returns what is wrong with the arguments of a container `istio-proxy`, or undefined where the template may have written
 * them: first `proxy sidecar`, as the CNI plugin wants to see it, then flags that set the domain, logging, the port of the
 * token service and the log of outliers. Others say where the proxy takes its configuration from (`--templateFile`,
 * `--meshConfig`). Without arguments the agent only prints how it is called.
 *
 *     proxy sidecar --domain D --proxyLogLevel=warning    undefined
 *     (none)                                              undefined
 *     proxy router                                        role
 *     --domain D proxy sidecar                            role
 *     proxy sidecar --templateFile=/x                     flag 2
 *
 * Istio: istio-discovery chart, files/injection-template.yaml (args); cni/pkg/plugin/kubernetes.go (ExtractPodInfo);
 * pilot/cmd/pilot-agent/app/cmd.go (addFlags).
 */
export function proxyArgumentFault(args: readonly unknown[]): ArgumentFault | undefined {
  if (args.length === 0) return undefined
  if (args[0] !== 'proxy' || args[1] !== 'sidecar') return { kind: 'role' }
  return flagFault(args, domainFlag)
}

/**
 * Returns what is wrong with the arguments of a proxy that istiod made for a Gateway, after the two that name its role, or
 * undefined where one of its templates may have written them.
 *
 * Istio: istio-discovery chart, files/kube-gateway.yaml and waypoint.yaml (args).
 */
export function gatewayArgumentFault(args: readonly unknown[]): ArgumentFault | undefined {
  return flagFault(args, gatewayFlags)
}

const domainFlag: ReadonlySet<string> = new Set(['--domain'])

/** `apart` are the flags whose value may be the next argument. */
function flagFault(args: readonly unknown[], apart: ReadonlySet<string>): ArgumentFault | undefined {
  for (let index = 2; index < args.length; index++) {
    const arg = text(args[index]) ?? ''
    if (arg === '--log_as_json') continue
    if (apart.has(arg) && typeof args[index + 1] === 'string') index++
    else if (!proxyFlags.has(arg.slice(0, Math.max(0, arg.indexOf('='))))) return { kind: 'flag', index }
  }
  return undefined
}

/** Returns the mode that the arguments of an init container name, as the template writes it: behind `-m`. */
export function interceptionModeOf(args: unknown): string | undefined {
  const words = list(args)
  const at = words.indexOf('-m')
  return at < 0 ? undefined : text(words[at + 1])
}
