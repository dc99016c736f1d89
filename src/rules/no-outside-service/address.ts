import type { Subject } from '../../core/rule.ts'
import {
  includes,
  meets,
  nothing,
  parseAddress,
  parseSubnet,
  type Ranges,
  seeThrough,
  union,
} from '../../istio/cidr.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import { quote } from '../../istio/text.ts'
import type { Judge } from './rule.ts'

/** Judges the addresses whose traffic every node hands to the Service. */
export function judgeAddresses(subject: Subject, tools: Judge): void {
  judgeBalancer(subject, tools)
  if (subject.subresource !== 'status') judgeExternal(subject, tools)
}

/**
 * The platform, and who is outside the policy, may put gateways where they want, but not on the addresses of the cluster’s own
 * pods and Services: kube-proxy asks nobody whose they are.
 */
function judgeExternal({ object, namespaceClass }: Subject, tools: Judge): void {
  const given = list(dig(object, 'spec', 'externalIPs'))
  if (given.length === 0) return
  const cluster = clusterRanges(tools)
  const accepted = tools.params.externalAddresses.map(rangeOf).reduce(union, nothing)
  for (const [i, entry] of given.entries()) {
    const path = ['spec', 'externalIPs', i]
    const value = text(entry) ?? ''
    const address = parseAddress(value)
    if (!address.ok) tools.malformed(path, `address ${quote(value)} ${address.why}`)
    else if (includes(accepted, seeThrough(address.value))) continue
    else if (namespaceClass === 'governed' || meets(cluster, seeThrough(address.value))) {
      tools.report('external-addresses', { path, value })
    }
  }
}

function clusterRanges({ facts }: Judge): Ranges {
  return union(facts.ranges.pods ?? nothing, facts.ranges.services ?? nothing)
}

/** An entry that is no range accepts nothing. */
function rangeOf(entry: string): Ranges {
  const parsed = parseSubnet(entry)
  return parsed.ok ? parsed.value : nothing
}

/**
 * A load balancer's address is outside; one of the cluster's own ranges would take the traffic of a pod or of another
 * Service. The Service's own addresses take nothing from anybody: `minikube tunnel` writes them.
 */
function judgeBalancer({ object }: Subject, tools: Judge): void {
  const ingress = list(dig(object, 'status', 'loadBalancer', 'ingress'))
  if (ingress.length === 0) return
  const cluster = clusterRanges(tools)
  const spec = field(object, 'spec')
  const own = new Set<unknown>([field(spec, 'clusterIP'), ...list(field(spec, 'clusterIPs'))])
  for (const [i, entry] of ingress.entries()) {
    const value = text(field(entry, 'ip')) ?? ''
    const address = parseAddress(value)
    if (!address.ok || own.has(value) || !meets(cluster, seeThrough(address.value))) continue
    tools.report('balancer-address', { path: ['status', 'loadBalancer', 'ingress', i, 'ip'], value })
  }
}
