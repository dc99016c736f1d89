import type { HeldMeshConfig } from '../../core/installation.ts'
import type { Subject } from '../../core/rule.ts'
import { standingOf } from '../../core/standing.ts'
import { parseHost } from '../../istio/host.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import type { MeshConfig } from '../../istio/meshconfig.ts'
import type { Judge } from './rule.ts'

/** A mesh configuration that was read. */
export interface Held {
  readonly config: MeshConfig
  readonly at: HeldMeshConfig['at']
  readonly subject: Subject
}

/** Judges whence istiod takes configuration, what is for all, and what sidecars listen on. */
export function judgeSources({ config, at }: Held, tools: Judge): void {
  for (const source of list(config.fields.get('configSources'))) {
    const address = text(field(source, 'address')) ?? ''
    if (!isCluster(address)) tools.report('config-source', { path: at('configSources'), value: address })
  }
  const root = tools.facts.mesh.rootNamespace
  const given = config.rootNamespace
  if (given !== undefined && given !== '' && given !== root) {
    tools.report('moved-root', { path: at('rootNamespace'), value: given, slots: { root } })
  }
  if (config.proxyHttpPort !== undefined && config.proxyHttpPort !== 0) {
    tools.report('forward-proxy', { path: at('proxyHttpPort'), value: String(config.proxyHttpPort) })
  }
}

/** The cluster's own API server; an entry without an address is passed over. Istio: configcontroller.go (initConfigSources). */
function isCluster(address: string): boolean {
  return address === '' || /^k8s:\/\/[^/?#]*\/?(?:[?#].*)?$/i.test(address)
}

/** Judges whose certificates count, and whether identities are asked for at all. */
export function judgeTrust(held: Held, tools: Judge): void {
  const { config, at } = held
  for (const certificate of list(config.fields.get('caCertificates'))) {
    const url = text(field(certificate, 'spiffeBundleUrl'))
    if (url && isForeign(URL.parse(url)?.hostname ?? '', held, tools)) {
      tools.report('outside-bundle', { path: at('caCertificates'), value: url })
    }
  }
  const authority = text(dig(config.fields.get('ca'), 'address'))
  if (authority && isForeign(hostOfTarget(authority), held, tools)) {
    tools.report('outside-authority', { path: at('ca', 'address'), value: authority })
  }
  if (config.fields.get('enableAutoMtls') === false) {
    tools.report('plaintext', { path: at('enableAutoMtls'), value: 'false' })
  }
}

/** Returns the host of a target as gRPC takes it: `host:port`, maybe with `dns:///` before it; what is odd as it is. */
function hostOfTarget(target: string): string {
  const plain = target.replace(/^(?:[a-z][a-z0-9+.-]*:)?\/\/\/?/i, '')
  return URL.parse(`dns://${plain}`)?.hostname ?? target
}

/** A single label, and no host at all, is a name of the cluster or nothing. */
function isForeign(given: string, { subject }: Held, tools: Judge): boolean {
  const host = given.replace(/^\[|\]$/g, '')
  const parsed = parseHost(host)
  if (!parsed.ok) return host !== ''
  return parsed.value.form !== 'label' && standingOf(parsed.value, subject, tools) === 'foreign'
}
