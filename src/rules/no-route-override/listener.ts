import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import { parseProtocol, protocolClass } from '../../istio/protocol.ts'
import type { Judge } from './rule.ts'

/** Judges the egress listeners of a Sidecar for governed pods: one of a tenant, or the default in the root namespace. */
export function judgeListeners(subject: Subject, tools: Judge): void {
  const isRoot = subject.ref.namespace === tools.facts.mesh.rootNamespace
  if (subject.namespaceClass !== 'governed' && !isRoot) return
  for (const [i, listener] of list(dig(subject.object, 'spec', 'egress')).entries()) {
    judgeListener(listener, ['spec', 'egress', i], tools)
  }
}

function judgeListener(listener: unknown, at: Path, tools: Judge): void {
  const number = dig(listener, 'port', 'number')
  const given = text(dig(listener, 'port', 'protocol')) ?? ''
  const effect = switchedOff(given, number)
  if (effect !== undefined) {
    const value = typeof number === 'number' ? `${given} on ${number}` : given
    tools.report('listener-protocol', { path: [...at, 'port', 'protocol'], value, slots: { protocol: given, effect } })
    return
  }
  const bind = text(field(listener, 'bind')) ?? ''
  const mode = field(listener, 'captureMode')
  if (mode === 'NONE') {
    const slots = { cause: 'a listener that captures nothing' }
    tools.report('listener-uncaptured', { path: [...at, 'captureMode'], value: mode, slots })
  } else if (bind !== '' && bind !== '0.0.0.0' && bind !== '::') {
    const slots = { cause: `a listener on "${bind}"` }
    tools.report('listener-uncaptured', { path: [...at, 'bind'], value: bind, slots })
  }
}

/**
 * Returns what a listener of the protocol does to routes. Istio: pilot/pkg/networking/core/httproute.go
 * (buildSidecarOutboundHTTPRouteConfig: the port of an HTTP_PROXY listener is 0) and listener.go
 * (buildSidecarOutboundListener: one of TCP consults neither http nor tls).
 *
 *     protocol           port       answer
 *     HTTP_PROXY         any        routes with a port do not hold
 *     TCP, Mongo, …      80, 443    routes for HTTP and TLS do not hold
 *     TLS, HTTPS         80         routes for HTTP do not hold
 *     HTTP, TLS          443        fine
 *     TCP, Mongo, …      other      fine
 */
function switchedOff(given: string, number: unknown): string | undefined {
  const protocol = parseProtocol(given)
  if (protocol === 'HTTP_PROXY') return 'routes that match a port do not hold'
  const kind = protocolClass(protocol)
  if (kind === 'tcp' && (number === 80 || number === 443)) return 'routes for HTTP and TLS do not hold'
  return kind === 'tls' && number === 80 ? 'routes for HTTP do not hold' : undefined
}
