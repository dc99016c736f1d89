import type { Fields } from '../../../src/istio/json.ts'

/** Which sidecars istiod makes, and whether its CNI plugin redirects traffic, as the program beside names it. */
export type Mode = 'native' | 'classic' | 'cni' | 'cni-classic'

export const MODES: readonly Mode[] = ['native', 'classic', 'cni', 'cni-classic']

/** How a platform has installed Istio. */
export interface Installation {
  readonly name: string
  /** Values of the chart istiod. */
  readonly values: Fields
  /** True where part of the traffic passes by the proxies anyway, so that keeping it from them changes nothing. */
  readonly narrow?: true
  /** What such a platform writes into its policy; the baseline accepts no such installation. */
  readonly policy?: Fields
}

const images = { hub: 'registry.example.com:5000/mesh', tag: '1.31.0' }

function withProxy(name: string, proxy: Fields, global: Fields = {}): Installation {
  return { name, values: { global: { ...images, ...global, proxy } } }
}

/** Returns the spec of a policy with other params for the rule on what is captured. */
function accepting(params: Fields): Fields {
  return { rules: { 'no-capture-bypass': { params } } }
}

function narrowed(name: string, proxy: Fields, params: Fields): Installation {
  return { ...withProxy(name, proxy), narrow: true, policy: accepting(params) }
}

function withGlobal(name: string, global: Fields): Installation {
  return { name, values: { global: { ...images, ...global } } }
}

const digests = ['proxy@sha256:0b', 'init@sha256:1c'].map(name => `registry.example.com/mesh/${name.padEnd(76, '0')}`)

const seccompProfile = { type: 'RuntimeDefault' }

/** A template of the platform's own, laid over the one that Istio ships; it finds the proxy as that one does. */
const overlay = `metadata:
  annotations:
    example.com/mesh: checked
spec:
  {{ if ne (index .ObjectMeta.Annotations "sidecar.istio.io/nativeSidecar" | default (printf "%t" .NativeSidecars)) "false" }}
  initContainers:
  {{ else }}
  containers:
  {{ end }}
  - name: istio-proxy
    env:
    - {name: EXAMPLE_REGION, value: north}
`

/** Ways to install Istio. The first is the chart's own; each other one changes what the injector writes. */
export const INSTALLATIONS: readonly Installation[] = [
  { name: 'as the chart ships it', values: {} },
  withGlobal('own registry', {}),
  withGlobal('image types', { tag: '1.31.0-distroless', variant: 'debug', imagePullPolicy: 'Always' }),
  withProxy('variant of the proxy alone', { variant: 'distroless' }),
  {
    ...withProxy('images by digest', { image: digests[0] }, { proxy_init: { image: digests[1] } }),
    policy: { mesh: { proxyImages: digests } },
  },
  withGlobal('secrets for images', { imagePullSecrets: ['registry', 'mirror'] }),
  narrowed(
    'some ranges captured',
    { includeIPRanges: '10.0.0.0/8,172.16.0.0/12' },
    { excludableRanges: ['0.0.0.0/0', '::/0'] },
  ),
  narrowed(
    'some ranges not captured',
    { excludeIPRanges: '10.96.0.1/32,169.254.169.254/32' },
    { excludableRanges: ['10.96.0.1/32', '169.254.169.254/32'] },
  ),
  narrowed(
    'some ports not captured',
    { excludeOutboundPorts: '15999', includeOutboundPorts: '443,8443' },
    { excludablePorts: [15999] },
  ),
  withProxy('some incoming ports captured', { includeInboundPorts: '8080,8081', excludeInboundPorts: '9102' }),
  withProxy('applications wait for the proxy', { holdApplicationUntilProxyStarts: true }),
  withProxy('hooks of the platform', { lifecycle: { preStop: { exec: { command: ['sleep', '20'] } } } }),
  withProxy('privileged proxies', { privileged: true }),
  withProxy('core dumps', { enableCoreDump: true }),
  withProxy('no start-up probe', { startupProbe: { enabled: false }, readinessInitialDelaySeconds: 2 }),
  withProxy('no health port', { statusPort: 0 }),
  withProxy('logs', { logLevel: 'info', outlierLogPath: '/dev/stdout', seccompProfile }, { logAsJson: true }),
  withProxy('sized proxies', { resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: { memory: '256Mi' } } }),
  withProxy('Zipkin', { tracer: 'zipkin' }),
  withProxy('Datadog', { tracer: 'datadog' }),
  withProxy('Lightstep', { tracer: 'lightstep' }, { tracer: { lightstep: { address: 'l.obs:1', accessToken: 't' } } }),
  withProxy('Stackdriver', { tracer: 'stackdriver' }),
  withGlobal('nftables', { nativeNftables: true, proxy_init: { forceApplyIptables: true } }),
  withGlobal('networks and meshes', { network: 'net-1', meshID: 'mesh-1', multiCluster: { clusterName: 'east' } }),
  withGlobal('certificates', { mountMtlsCerts: true, caAddress: 'ca.example.com:443', sts: { servicePort: 15463 } }),
  withGlobal('Google certificates', { caName: 'GkeWorkloadCertificate', pilotCertProvider: 'custom' }),
  { name: 'a revision', values: { global: images, revision: '1-31', revisionTags: ['default'] } },
  { name: 'CNI by Multus', values: { global: images, pilot: { cni: { provider: 'multus' } } } },
  {
    name: 'DNS through the proxy',
    values: {
      global: images,
      meshConfig: { defaultConfig: { proxyMetadata: { ISTIO_META_DNS_CAPTURE: 'true' }, concurrency: 2 } },
    },
  },
  {
    name: 'annotations and a template of the platform',
    values: {
      global: images,
      sidecarInjectorWebhook: {
        injectedAnnotations: { 'example.com/injected': 'yes' },
        rewriteAppHTTPProbe: false,
        templates: { region: overlay },
        defaultTemplates: ['sidecar', 'region'],
      },
    },
  },
  {
    name: 'TPROXY',
    values: { global: images, meshConfig: { defaultConfig: { interceptionMode: 'TPROXY' } } },
    policy: accepting({ interceptionModes: ['REDIRECT', 'TPROXY'] }),
  },
]
