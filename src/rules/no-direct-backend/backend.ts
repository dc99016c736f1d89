import { gatewayHost, gatewayOfHost } from '../../core/gateway.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { standingOf } from '../../core/standing.ts'
import { hostnameKind, type Reference, type Target, targetsOf } from '../../istio/gatewayapi.ts'
import { type Host, parseHost } from '../../istio/host.ts'
import { dig, text } from '../../istio/json.ts'
import { quote } from '../../istio/text.ts'
import type { Judge } from './message.ts'
import type { Attached } from './parent.ts'

/**
 * Judges where a route sends requests and copies of them. Returns the rules of which something leads to the egress gateway
 * or outside, by their index: there the host that is asked for decides where traffic goes in the end.
 */
export function judgeBackends(subject: Subject, attached: Attached, tools: Judge): ReadonlySet<number> {
  const leaving = new Set<number>()
  const said = new Set<string>()
  for (const target of targetsOf(subject.object, subject.ref.namespace)) {
    const host = hostOf(target, attached, tools)
    if (host === undefined) continue
    const path: Path = [...target.path, 'name']
    const parsed = parseHost(host)
    if (!parsed.ok) {
      tools.malformed(path, `host ${quote(host)} ${parsed.why}`)
      continue
    }
    if (judgeHost(target, path, parsed.value, said, subject, attached, tools)) leaving.add(target.rule)
  }
  return leaving
}

/** Returns true where the host is outside, or the egress gateway. */
function judgeHost(
  target: Target,
  path: Path,
  host: Host,
  said: Set<string>,
  subject: Subject,
  attached: Attached,
  tools: Judge,
): boolean {
  const standing = standingOf(host, subject, tools)
  const value = host.text
  if (standing === 'inside') return gatewayOfHost(value, tools.facts) !== undefined
  if (standing === 'foreign') {
    const slots = { whose: whoseOf(subject) }
    if (target.use === 'mirror') tools.report('direct-mirror', { path, value, slots })
    else tools.report('direct-backend', { path, value, slots })
  } else if (attached.mesh && !said.has(value)) {
    said.add(value)
    const unknown = `whether this route lets traffic to "${value}" pass by the egress gateway`
    tools.notJudged(path, unknown, 'see to its legs: this version does not trace routes')
  }
  return true
}

/** Returns how a message says for whom something is not approved. */
export function whoseOf(subject: Subject): string {
  return subject.namespaceClass === 'platform' ? '' : ` for namespace "${subject.ref.namespace}"`
}

/**
 * Returns the host outside the namespace's own that a target means; undefined where it is a Service of the cluster, or of
 * a kind that cannot be judged, which is said. A Service of type ExternalName is another name for a host.
 */
function hostOf(target: Target, attached: Attached, tools: Judge): string | undefined {
  const { ref } = target
  if (ref.kind === 'Service') return aliasOf(ref, tools)
  if (ref.kind === hostnameKind) return ref.name
  if (tools.params.backendKinds.includes(ref.kind)) return undefined
  const path: Path = [...target.path, 'kind']
  if (attached.unknown === undefined) {
    tools.report('unknown-backend', { path, value: ref.kind })
    return undefined
  }
  const unknown = `whether Istio serves the Gateway of a route with a backend of kind "${ref.kind}"`
  tools.notJudged(attached.unknown, unknown, 'give the Gateways and GatewayClasses with --inventory')
  return undefined
}

function aliasOf({ namespace, name }: Reference, { facts, inventory }: Judge): string | undefined {
  const egress = facts.egressGateways?.find(gateway => gateway.namespace === namespace && gateway.service === name)
  if (egress !== undefined) return gatewayHost(egress, facts.mesh.clusterDomain)
  const service = inventory.find('Service', namespace, name)
  return dig(service, 'spec', 'type') === 'ExternalName' ? text(dig(service, 'spec', 'externalName')) : undefined
}
