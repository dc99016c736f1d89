/** A protocol of a port as Istio knows it; `Unsupported` is what Istio detects from the first bytes of a connection. */
export type Protocol =
  | 'HTTP'
  | 'HTTP2'
  | 'HTTP_PROXY'
  | 'GRPC'
  | 'GRPC-Web'
  | 'HTTPS'
  | 'TLS'
  | 'TCP'
  | 'Mongo'
  | 'Redis'
  | 'MySQL'
  | 'UDP'
  | 'Unsupported'

/** Which routes of a VirtualService a port consults. */
export type ProtocolClass =
  /** `http` routes. */
  | 'http'
  /** `tls` routes. */
  | 'tls'
  /** `tcp` routes. */
  | 'tcp'
  /** Decided by the first bytes of each connection: `http` or `tcp` routes. */
  | 'sniffed'
  /** None: the proxy does not take UDP. */
  | 'udp'

const NAMES: ReadonlyMap<string, Protocol> = new Map([
  ['tcp', 'TCP'],
  ['udp', 'UDP'],
  ['grpc', 'GRPC'],
  ['grpc-web', 'GRPC-Web'],
  ['http', 'HTTP'],
  ['http_proxy', 'HTTP_PROXY'],
  ['http2', 'HTTP2'],
  ['https', 'HTTPS'],
  ['tls', 'TLS'],
  ['mongo', 'Mongo'],
  ['redis', 'Redis'],
  ['mysql', 'MySQL'],
])

const CLASSES: Readonly<Record<Protocol, ProtocolClass>> = {
  HTTP: 'http',
  HTTP2: 'http',
  HTTP_PROXY: 'http',
  GRPC: 'http',
  'GRPC-Web': 'http',
  HTTPS: 'tls',
  TLS: 'tls',
  TCP: 'tcp',
  Mongo: 'tcp',
  Redis: 'tcp',
  MySQL: 'tcp',
  UDP: 'udp',
  Unsupported: 'sniffed',
}

/**
 * Returns the protocol that a text names, in any case, and `Unsupported` for every other text, the empty one included.
 * As istio.io/istio `pkg/config/protocol/instance.go`, `Parse`, which ServiceEntry, Gateway and Sidecar ports go
 * through; it knows no name for HBONE.
 */
export function parseProtocol(text: string): Protocol {
  // Go lowers U+0130 to "i", JavaScript to "i" and a combining dot.
  return NAMES.get(text.replaceAll('\u0130', 'i').toLowerCase()) ?? 'Unsupported'
}

/** Returns which routes a port of the protocol consults. */
export function protocolClass(protocol: Protocol): ProtocolClass {
  return CLASSES[protocol]
}

/** A port of a Kubernetes Service, as far as it decides the protocol. */
export type ServicePort = {
  readonly number: number
  readonly name?: string | undefined
  readonly appProtocol?: string | undefined
  /** The transport: `TCP` (the default), `UDP`, `SCTP`. */
  readonly protocol?: string | undefined
}

/** Values of `appProtocol` that Kubernetes defines, all lower case. */
const APP_PROTOCOLS: ReadonlyMap<string, Protocol> = new Map([
  ['kubernetes.io/h2c', 'HTTP2'],
  ['kubernetes.io/ws', 'HTTP'],
  ['kubernetes.io/wss', 'HTTPS'],
])

/** SMTP, DNS, MySQL and MongoDB: their servers speak first or would break otherwise, so that Istio never sniffs them. */
const UNSNIFFED_PORTS: ReadonlySet<number> = new Set([25, 53, 3306, 27017])

/**
 * Returns the protocol of a port of a Kubernetes Service: `appProtocol` where there is one, even an empty one, else the
 * part of the port's name before the first hyphen. As istio.io/istio `pkg/config/kube/conversion.go`,
 * `ConvertProtocol`; the documentation has it as "Protocol Selection". Ports of a ServiceEntry are not read this way.
 *
 *     port                                         protocol
 *     {name: 'http-web'}                           HTTP
 *     {name: 'http-web', appProtocol: 'https'}     HTTPS
 *     {name: 'grpc-web-x'}                         GRPC-Web
 *     {name: 'web', appProtocol: 'kubernetes.io/h2c'}  HTTP2
 *     {name: 'web', number: 3306}                  TCP
 *     {name: 'web', number: 8080}                  Unsupported
 *     {name: 'http', protocol: 'UDP'}              UDP
 */
export function servicePortProtocol(port: ServicePort): Protocol {
  if (port.protocol === 'UDP') return 'UDP'
  const defined = port.appProtocol === undefined ? undefined : APP_PROTOCOLS.get(port.appProtocol)
  if (defined !== undefined) return defined
  const name = port.appProtocol ?? port.name ?? ''
  if (/^grpc-web/i.test(name)) return 'GRPC-Web'
  const hyphen = name.indexOf('-')
  const protocol = parseProtocol(hyphen < 0 ? name : name.slice(0, hyphen))
  return protocol === 'Unsupported' && UNSNIFFED_PORTS.has(port.number) ? 'TCP' : protocol
}
