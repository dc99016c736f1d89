import type { EgressGateway } from '../../core/facts.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, type Fields, isFields, stringMap, text } from '../../istio/json.ts'
import { reachedGateway, reaches } from './reach.ts'
import type { Judge } from './rule.ts'

const peerKind = 'PeerAuthentication.security.istio.io'

/** Judges a PeerAuthentication, or that it goes. */
export function judgePeer(subject: Subject, tools: Judge): void {
  if (subject.operation === 'DELETE') return judgeDeletion(subject, tools)
  const weak = [...weakModes(subject.object)]
  const gateway = weak[0] && reachedGateway(weak[0].path, subject, tools)
  if (gateway === undefined || isOverruled(subject, gateway, tools)) return
  const { name, namespace } = gateway
  for (const { path, mode } of weak) {
    const message = mode === 'PERMISSIVE' && isMeshWide(subject, tools) ? 'mesh-permissive' : 'plaintext'
    tools.report(message, { path, value: mode, slots: { mode, gateway: name, namespace } })
  }
}

/** Yields the places where callers without an identity are let in; a mode that is unset is that of a wider object. */
function* weakModes(object: unknown): Generator<{ readonly path: Path; readonly mode: string }> {
  const mode = text(dig(object, 'spec', 'mtls', 'mode'))
  if (isWeak(mode)) yield { path: ['spec', 'mtls', 'mode'], mode }
  const ports = dig(object, 'spec', 'portLevelMtls')
  if (!isFields(ports)) return
  for (const port of Object.keys(ports)) {
    const ofPort = text(dig(ports, port, 'mode'))
    if (isWeak(ofPort)) yield { path: ['spec', 'portLevelMtls', port, 'mode'], mode: ofPort }
  }
}

function isWeak(mode: string | undefined): mode is string {
  return mode === 'DISABLE' || mode === 'PERMISSIVE'
}

function isMeshWide({ object, ref }: Subject, tools: Judge): boolean {
  return (
    ref.namespace === tools.facts.mesh.rootNamespace &&
    stringMap(dig(object, 'spec', 'selector', 'matchLabels')).size === 0
  )
}

/** Whether the gateway's own namespace has a stricter word than an object for the whole mesh. */
function isOverruled(subject: Subject, gateway: EgressGateway, tools: Judge): boolean {
  if (!isMeshWide(subject, tools) || gateway.namespace === subject.ref.namespace) return false
  return tools.inventory.list(peerKind, gateway.namespace).some(peer => isStrictFor(peer, gateway, tools))
}

function isStrictFor(peer: Fields, gateway: EgressGateway, tools: Judge): boolean {
  return dig(peer, 'spec', 'mtls', 'mode') === 'STRICT' && reaches(peer, gateway, tools) === 'yes'
}

function judgeDeletion(subject: Subject, tools: Judge): void {
  if (dig(subject.object, 'spec', 'mtls', 'mode') !== 'STRICT') return
  const path = ['metadata', 'name']
  const gateway = reachedGateway(path, subject, tools)
  if (gateway === undefined) return
  const namespaces = new Set([gateway.namespace, tools.facts.mesh.rootNamespace])
  const isHeld = [...namespaces].some(namespace =>
    tools.inventory.list(peerKind, namespace).some(peer => isStrictFor(peer, gateway, tools)),
  )
  if (!isHeld) tools.report('strict-deleted', { path, value: subject.ref.name, slots: { gateway: gateway.name } })
}
