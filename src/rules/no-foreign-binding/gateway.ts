import { egressGatewayOf } from '../../core/egressobjects.ts'
import type { NamedGateways } from '../../core/facts.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, field, list } from '../../istio/json.ts'
import { parseGatewayRef, parseServerHost } from '../../istio/name.ts'
import type { Judge } from './rule.ts'

/** One Istio Gateway that a VirtualService names. */
interface Binding {
  readonly path: Path
  /** As it is written. */
  readonly entry: string
  readonly namespace: string
  readonly name: string
}

/** Yields the Istio Gateways to which the judged VirtualService binds. */
export function* bindingsOf({ object, ref }: Subject): Generator<Binding> {
  for (const [i, entry] of list(dig(object, 'spec', 'gateways')).entries()) {
    const gateway = typeof entry === 'string' ? parseGatewayRef(entry, ref.namespace) : undefined
    if (typeof entry !== 'string' || gateway === undefined || gateway.mesh) continue
    yield { path: ['spec', 'gateways', i], entry, namespace: gateway.namespace, name: gateway.name }
  }
}

/** Judges the gateways to which a tenant's VirtualService binds. */
export function judgeGateways(subject: Subject, tools: Judge): void {
  for (const binding of bindingsOf(subject)) judgeBinding(binding, subject, tools)
}

function judgeBinding(binding: Binding, subject: Subject, tools: Judge): void {
  const own = subject.ref.namespace
  const { path, entry, namespace, name } = binding
  const object = tools.inventory.find('Gateway.networking.istio.io', namespace, name)
  const configured = egressGatewayOf({ namespace, name, object }, tools)
  if (configured === undefined) return judgeOther(binding, object, subject, tools)
  // A Gateway of the own namespace that selects the egress gateway is refused itself (no-gateway-hijack).
  if (namespace === own || !admitsAll(object)) return
  const { gateway } = configured
  if (configured.selection === 'yes') {
    const slots = { gateway: gateway.name, namespace: gateway.namespace }
    tools.report('binds-egress-gateway', { path, value: entry, slots })
  } else {
    const unknown = `whether "${entry}" configures egress gateway "${gateway.name}"`
    tools.notJudged(path, unknown, 'give its Deployment with --inventory, or all its labels under spec.egressGateways')
  }
}

/**
 * Judges a Gateway that is not known to configure an egress gateway. One beside an egress gateway may, where neither the
 * inventory shows it nor the policy names those that do.
 */
function judgeOther(binding: Binding, object: unknown, subject: Subject, tools: Judge): void {
  const { path, entry, namespace, name } = binding
  const { ingressGateways, egressGateways = [] } = tools.facts
  const beside = egressGateways.find(gateway => gateway.namespace === namespace && gateway.gateways.length === 0)
  const isNamed = ingressGateways?.some(known => isAmong(known, namespace, name)) === true
  if (object !== undefined || beside === undefined || isNamed) return judgeForeign(binding, subject, tools)
  const fix = 'give the Gateway with --inventory, or name those for egress in spec.egressGateways[].gateways'
  tools.notJudged(path, `whether "${entry}" configures egress gateway "${beside.name}"`, fix)
}

function isAmong(known: NamedGateways, namespace: string, name: string): boolean {
  return known.namespace === namespace && (known.gateways.includes(name) || known.gateways.includes('*'))
}

function judgeForeign({ path, entry, namespace, name }: Binding, subject: Subject, tools: Judge): void {
  const own = subject.ref.namespace
  if (namespace === own || subject.namespaceClass === 'notGoverned') return
  const { ingressGateways, egressGateways } = tools.facts
  if (ingressGateways === undefined) {
    if (egressGateways !== undefined) return
    const fix = 'give spec.egressGateways or spec.ingressGateways in the policy'
    tools.notJudged(path, `whether "${entry}" configures an egress gateway`, fix)
    return
  }
  const mayBind = ingressGateways.some(known => isAmong(known, namespace, name) && known.serves(own))
  if (!mayBind) tools.report('binds-foreign-gateway', { path, value: entry, slots: { own } })
}

/**
 * Whether a Gateway lets any namespace, and so this one, bind routes to some of its hosts. Where it names namespaces, it
 * says itself who may; one that is not known may let everybody. As istio.io/istio `pilot/pkg/model/gateway.go`
 * (sanitizeServerHostNamespace) and `pilot/pkg/networking/core/gateway.go` (pickMatchingGatewayHosts).
 *
 *     hosts                              namespace shop is let in by a host for all
 *     [a.example.com]                    true
 *     ["*" + "/a.example.com"]           true
 *     [./a.example.com], [egress/a]      false: its routes do not hold there
 *     [shop/a.example.com]               false: let in by name, which is the platform's to decide
 */
function admitsAll(object: unknown): boolean {
  if (object === undefined) return true
  return list(dig(object, 'spec', 'servers')).some(server =>
    list(field(server, 'hosts')).some(entry => {
      const parsed = typeof entry === 'string' ? parseServerHost(entry) : undefined
      return parsed?.ok === true && parsed.value.namespace === '*'
    }),
  )
}
