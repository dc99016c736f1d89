import type { Approval, PortFact } from '../core/facts.ts'
import type { Path } from '../core/path.ts'
import { nearest } from '../core/text.ts'
import { isPublicSuffix, parseHost } from '../istio/host.ts'
import { field, list, text } from '../istio/json.ts'
import { readNamespaceMatch } from './namespaces.ts'
import type { PolicyProblem } from './problem.ts'
import type { PolicyDocument } from './read.ts'
import { readExpires, readPort, readRanges } from './value.ts'

/** Reads `ApprovedHosts` documents. Equal port and namespace lists are kept once, so that 100,000 approvals stay small. */
export class ApprovalReader {
  readonly #gateways: readonly string[]
  readonly #now: number
  readonly #ports = new Map<string, readonly PortFact[]>()
  readonly #namespaces = new Map<string, Pick<Approval, 'allows' | 'namespaces'>>()
  readonly #expiries = new Map<string, number>()

  constructor(gateways: readonly string[], now: number) {
    this.#gateways = gateways
    this.#now = now
  }

  /** Returns the approvals of one document; an entry with a problem yields none. */
  read(document: PolicyDocument, problems: PolicyProblem[]): Approval[] {
    const defaults = field(document.spec, 'defaults')
    this.#checkShared(document, ['spec', 'defaults'], defaults, problems)
    const approvals: Approval[] = []
    for (const [i, entry] of list(field(document.spec, 'hosts')).entries()) {
      const path: Path = ['spec', 'hosts', i]
      this.#checkShared(document, path, entry, problems)
      const host = this.#readHost(document, [...path, 'host'], text(field(entry, 'host')) ?? '', problems)
      const given = (name: string): unknown => field(entry, name) ?? field(defaults, name)
      if (given('ports') === undefined) {
        const fix = 'name the ports, here or under spec.defaults'
        problems.push(document.problem('missingKey', path, { what: '"ports" is missing', fix }))
      }
      if (host === undefined) continue
      const addresses = field(entry, 'addresses')
      approvals.push({
        host,
        ports: this.#portsOf(given('ports')),
        addresses:
          addresses === undefined ? undefined : readRanges(document, [...path, 'addresses'], list(addresses), problems),
        ...this.#namespacesOf(given('namespaces')),
        gateway: text(given('gateway')),
        owner: text(given('owner')),
        ticket: text(given('ticket')),
        expires: this.#expiries.get(text(given('expires')) ?? ''),
        expiresText: text(given('expires')),
      })
    }
    return approvals
  }

  #checkShared(document: PolicyDocument, path: Path, fields: unknown, problems: PolicyProblem[]): void {
    const expires = text(field(fields, 'expires'))
    if (expires !== undefined) {
      const at = readExpires(document, [...path, 'expires'], expires, this.#now, problems)
      if (at !== undefined) this.#expiries.set(expires, at)
    }
    const gateway = text(field(fields, 'gateway'))
    if (gateway !== undefined && !this.#gateways.includes(gateway)) {
      const meant = nearest(gateway, this.#gateways)
      const fix =
        meant === undefined ? 'add it to spec.egressGateways of a policy' : `did you mean ${JSON.stringify(meant)}?`
      const what = `no egress gateway is named ${JSON.stringify(gateway)}`
      problems.push(document.problem('noSuchGateway', [...path, 'gateway'], { what, fix }))
    }
  }

  #readHost(document: PolicyDocument, path: Path, given: string, problems: PolicyProblem[]): string | undefined {
    const parsed = parseHost(given)
    if (!parsed.ok) {
      problems.push(
        document.problem('badHost', path, {
          what: `${JSON.stringify(given)} ${parsed.why}`,
          fix: 'write the DNS name of the host',
        }),
      )
      return undefined
    }
    const { text: host, canonical, form } = parsed.value
    const refusal = refusals[form]
    if (refusal !== undefined) {
      problems.push(document.problem('badHost', path, refusal))
      return undefined
    }
    if (!canonical) {
      problems.push(
        document.problem('canonicalised', path, { what: `read as ${JSON.stringify(host)}`, fix: 'write it so' }),
      )
    }
    if (form === 'wildcard' && isPublicSuffix(host)) {
      const what = `${JSON.stringify(host)} approves names that anybody can register`
      problems.push(document.problem('wideApproval', path, { what, fix: 'name the hosts' }))
    }
    return host
  }

  #portsOf(given: unknown): readonly PortFact[] {
    const key = JSON.stringify(given ?? [])
    const known = this.#ports.get(key)
    if (known !== undefined) return known
    const ports = list(given).map(readPort)
    this.#ports.set(key, ports)
    return ports
  }

  #namespacesOf(given: unknown): Pick<Approval, 'allows' | 'namespaces'> {
    const key = JSON.stringify(given ?? null)
    const known = this.#namespaces.get(key)
    if (known !== undefined) return known
    const match = readNamespaceMatch(given)
    const namespaces = given === undefined ? undefined : list(given).filter(name => typeof name === 'string')
    const allows = (namespace: string): boolean =>
      given === undefined || match.exact.has(namespace) || match.prefixes.some(prefix => namespace.startsWith(prefix))
    const fresh = { allows, namespaces }
    this.#namespaces.set(key, fresh)
    return fresh
  }
}

type Refusal = { readonly what: string; readonly fix: string }

/** Forms of host that cannot be approved. */
const refusals: Readonly<Record<string, Refusal | undefined>> = {
  any: { what: '"*" approves every host', fix: 'name the hosts' },
  'partial-wildcard': {
    what: 'a star beside other characters makes Envoy refuse the whole listener',
    fix: 'use "*" only as the whole first label',
  },
  label: { what: 'a name without a dot is a name inside the cluster', fix: 'write the whole name' },
  ip: { what: 'Istio takes no address as a host', fix: 'approve a name, and give its addresses under "addresses"' },
} satisfies Readonly<Record<string, Refusal>>
