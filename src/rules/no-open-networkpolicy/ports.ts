import { field, list, text } from '../../istio/json.ts'

/** What the ports of a rule come to. */
export interface Ports {
  readonly kind: /** Any, or some by number. */
    | 'open'
    /** None but port 53. */
    | 'dns'
    /** None but named ones, which only pods have: they lead nowhere outside. */
    | 'named'
  /** As people write them, empty for all. */
  readonly text: string
}

/**
 * Returns what the `ports` of an egress rule come to. Absent and empty mean all ports, and so does an item without a
 * port, of its protocol. Kubernetes: NetworkPolicyPort in k8s.io/api networking/v1.
 */
export function readPorts(given: unknown): Ports {
  const items = list(given)
  if (items.length === 0) return { kind: 'open', text: '' }
  const ports = items.map(readPort)
  const numbered = ports.filter(({ isNamed }) => !isNamed)
  if (numbered.length === 0) return { kind: 'named', text: '' }
  const isDns = numbered.every(({ from, to }) => from === 53 && to === 53)
  return { kind: isDns ? 'dns' : 'open', text: numbered.map(write).join(', ') }
}

interface Port {
  readonly protocol: string
  readonly isNamed: boolean
  readonly from: unknown
  readonly to: unknown
}

function readPort(item: unknown): Port {
  const from = field(item, 'port') ?? undefined
  return {
    protocol: text(field(item, 'protocol')) ?? 'TCP',
    isNamed: typeof from === 'string',
    from,
    to: field(item, 'endPort') ?? from,
  }
}

function write({ protocol, from, to }: Port): string {
  if (typeof from !== 'number') return `every ${protocol} port`
  return from === to ? `${protocol} ${from}` : `${protocol} ${from}-${String(to)}`
}
