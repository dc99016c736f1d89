import { liveApprovals } from '../../core/clients.ts'
import { insideRanges, type Whereabouts, whereIs } from '../../core/machine.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { giveRanges } from '../../core/uncaptured.ts'
import { parseHost } from '../../istio/host.ts'
import { dig, type Fields, field, list, text } from '../../istio/json.ts'
import { quote } from '../../istio/text.ts'
import type { Judge } from './rule.ts'

const path: Path = ['spec', 'externalName']

/**
 * Returns the canonical host that a Service of type ExternalName is an alias of, or undefined for any other. The API
 * server keeps `externalName` of other types, where nothing reads it.
 */
function aliasOf(service: Fields | undefined): string | undefined {
  const spec = field(service, 'spec')
  if (field(spec, 'type') !== 'ExternalName') return undefined
  return text(field(spec, 'externalName')) ?? ''
}

/**
 * Judges what a Service is an alias of. Routes and destinations that name an alias are resolved to the entry of the host
 * behind it (Istio: pilot/pkg/model/push_context.go, resolveServiceAliases), and DNS answers with that host.
 *
 *     externalName                           verdict
 *     db.shop.svc.cluster.local              passes
 *     a host of spec.internalHosts           passes
 *     an address inside                      passes
 *     a host approved for the namespace      alias-approved, a warning
 *     anything else                          alias-outside
 */
export function judgeAlias(subject: Subject, tools: Judge): void {
  const given = aliasOf(subject.object)
  if (given === undefined) return
  const parsed = parseHost(given)
  if (!parsed.ok) return tools.malformed(path, `externalName ${quote(given)} ${parsed.why}`)
  const { text: host, form } = parsed.value
  if (form === 'label') {
    const remedy = `write the full name: ${host}.NAMESPACE.svc.${tools.facts.mesh.clusterDomain}`
    return tools.report('alias-outside', {
      path,
      value: host,
      slots: { reason: 'which DNS does not complete', remedy },
    })
  }
  const where = whereAlias(host, tools)
  if (where === 'unknown') tools.notJudged(path, `whether ${host} is inside the cluster`, giveRanges)
  else if (where === 'name') judgeName(host, subject, tools)
  else if (where !== 'inside') reportOutside(host, 'an address outside the cluster', tools)
}

function judgeName(host: string, subject: Subject, tools: Judge): void {
  const live = liveApprovals(host, tools.facts, tools.now)
  if (live.length === 0) return reportOutside(host, 'a host that is not approved', tools)
  const { namespace } = subject.ref
  if (subject.namespaceClass !== 'platform' && !live.some(approval => approval.allows(namespace))) {
    return reportOutside(host, `a host that is not approved for namespace "${namespace}"`, tools)
  }
  tools.report('alias-approved', { path, value: host })
  judgePorts(subject, host, tools)
}

function reportOutside(host: string, reason: string, tools: Judge): void {
  const remedy = 'remove the Service, or have the host approved (ApprovedHosts) and reach it by its own name'
  tools.report('alias-outside', { path, value: host, slots: { reason, remedy } })
}

function whereAlias(host: string, { facts }: Judge): Whereabouts {
  return whereIs(host, facts, insideRanges(facts, facts.internalHosts.addresses))
}

function judgePorts({ object }: Subject, host: string, tools: Judge): void {
  for (const [i, port] of list(dig(object, 'spec', 'ports')).entries()) {
    const protocol = text(field(port, 'protocol')) ?? 'TCP'
    if (protocol === 'TCP') continue
    tools.report('udp-alias', {
      path: ['spec', 'ports', i, 'protocol'],
      value: String(field(port, 'port')),
      slots: { host, protocol },
    })
  }
}

/**
 * Judges the Services that an Ingress leads to: of an alias the gateway makes a route to the host behind it. Istio:
 * pilot/pkg/config/kube/ingress/virtualservices.go (ingressBackendToHTTPRoute); other controllers do the same.
 */
export function judgeIngress(subject: Subject, tools: Judge): void {
  const seen = new Set<string>()
  for (const { path: at, name } of backendsOf(subject.object)) {
    if (seen.has(name)) continue
    seen.add(name)
    const alias = aliasOf(tools.inventory.find('Service', subject.ref.namespace, name))
    const parsed = parseHost(alias ?? '')
    if (!parsed.ok) continue
    const host = parsed.value.text
    const where = whereAlias(host, tools)
    if (where !== 'outside' && where !== 'name') continue
    tools.report('ingress-to-alias', { path: at, value: name, slots: { host } })
  }
}

interface Backend {
  readonly path: Path
  readonly name: string
}

/** Yields the Services of an Ingress; those of `networking.k8s.io/v1beta1` stand under `backend.serviceName`. */
function* backendsOf(ingress: Fields): Generator<Backend> {
  const spec = field(ingress, 'spec')
  yield* backend(['spec', 'defaultBackend'], field(spec, 'defaultBackend'))
  yield* backend(['spec', 'backend'], field(spec, 'backend'))
  for (const [i, rule] of list(field(spec, 'rules')).entries()) {
    for (const [j, route] of list(dig(rule, 'http', 'paths')).entries()) {
      yield* backend(['spec', 'rules', i, 'http', 'paths', j, 'backend'], field(route, 'backend'))
    }
  }
}

function* backend(at: Path, value: unknown): Generator<Backend> {
  const name = text(dig(value, 'service', 'name'))
  if (name !== undefined) yield { path: [...at, 'service', 'name'], name }
  const older = text(field(value, 'serviceName'))
  if (older !== undefined) yield { path: [...at, 'serviceName'], name: older }
}
