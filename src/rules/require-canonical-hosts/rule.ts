import type { Path } from '../../core/path.ts'
import { defineRule } from '../../core/rule.ts'
import { requireLists } from '../../core/shape.ts'
import { parseHost } from '../../istio/host.ts'
import { dig, field, list, text } from '../../istio/json.ts'

/** A host as an object writes it; `prefix` is what stands before it, as in `namespace/host`. */
interface Spelling {
  readonly path: Path
  readonly prefix: string
  readonly host: string
}

/** Lists of `spec` in which hosts stand, at some depth. */
const lists = ['hosts', 'http', 'tls', 'tcp', 'egress', 'servers'] as const

export default defineRule<'spelling', Record<never, never>>({
  id: 'require-canonical-hosts',
  summary: 'Require that hosts are written in lower case and without a trailing dot',
  risk: [
    'Istio accepts `API.example.com` and `api.example.com.`, and takes each spelling for a service of its own: HTTP',
    'routing lower-cases names, TLS and TCP routing and DestinationRules compare them as written. So the platform’s routes',
    'do not apply to the odd spelling, which then leaves directly; and where two spellings meet on one TLS listener,',
    'Envoy refuses the whole listener, an outage for every proxy that sees the entry.',
  ].join(' '),
  team: 'A capital letter or a trailing dot, often from a DNS zone file. Write the name as the refusal shows it.',
  judges: [
    'ServiceEntry.networking.istio.io',
    'VirtualService.networking.istio.io',
    'DestinationRule.networking.istio.io',
    'Sidecar.networking.istio.io',
    'Gateway.networking.istio.io',
  ],
  reads: [],
  facts: [],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    spelling: {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'Istio takes "{value}" and "{canonical}" for two hosts, so routes of one do not hold for the other',
      fix: 'write "{canonical}"',
      threats: ['cfg/host-spelling'],
    },
  },
  check(subject, tools) {
    // A request for the status changes nothing else.
    if (subject.subresource !== '' || !requireLists(subject, tools, lists)) return
    for (const { path, prefix, host } of spellings(subject.kind, field(subject.object, 'spec'))) {
      const parsed = parseHost(host)
      if (!parsed.ok || parsed.value.canonical) continue
      const canonical = `${prefix}${parsed.value.text}`
      tools.report('spelling', { path, value: `${prefix}${host}`, slots: { canonical } })
    }
  },
})

function* spellings(kind: string, spec: unknown): Generator<Spelling> {
  switch (kind) {
    case 'ServiceEntry.networking.istio.io':
      yield* plain(['spec', 'hosts'], field(spec, 'hosts'))
      return
    case 'DestinationRule.networking.istio.io':
      yield* one(['spec', 'host'], field(spec, 'host'))
      return
    case 'Sidecar.networking.istio.io':
      for (const [i, listener] of list(field(spec, 'egress')).entries()) {
        yield* scoped(['spec', 'egress', i, 'hosts'], field(listener, 'hosts'))
      }
      return
    case 'Gateway.networking.istio.io':
      for (const [i, server] of list(field(spec, 'servers')).entries()) {
        yield* scoped(['spec', 'servers', i, 'hosts'], field(server, 'hosts'))
      }
      return
    default:
      yield* ofVirtualService(spec)
  }
}

function* ofVirtualService(spec: unknown): Generator<Spelling> {
  yield* plain(['spec', 'hosts'], field(spec, 'hosts'))
  for (const section of ['http', 'tls', 'tcp'] as const) {
    for (const [i, route] of list(field(spec, section)).entries()) {
      const at: Path = ['spec', section, i]
      for (const [j, match] of list(field(route, 'match')).entries()) {
        yield* plain([...at, 'match', j, 'sniHosts'], field(match, 'sniHosts'))
      }
      for (const [j, entry] of list(field(route, 'route')).entries()) {
        yield* one([...at, 'route', j, 'destination', 'host'], dig(entry, 'destination', 'host'))
      }
      yield* one([...at, 'mirror', 'host'], dig(route, 'mirror', 'host'))
      for (const [j, mirror] of list(field(route, 'mirrors')).entries()) {
        yield* one([...at, 'mirrors', j, 'destination', 'host'], dig(mirror, 'destination', 'host'))
      }
    }
  }
}

function* one(path: Path, value: unknown): Generator<Spelling> {
  const host = text(value)
  if (host !== undefined) yield { path, prefix: '', host }
}

function* plain(path: Path, values: unknown): Generator<Spelling> {
  for (const [i, value] of list(values).entries()) yield* one([...path, i], value)
}

function* scoped(path: Path, values: unknown): Generator<Spelling> {
  for (const [i, value] of list(values).entries()) {
    const entry = text(value)
    if (entry === undefined) continue
    const slash = entry.indexOf('/')
    yield { path: [...path, i], prefix: entry.slice(0, slash + 1), host: entry.slice(slash + 1) }
  }
}
