import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { standingOf } from '../../core/standing.ts'
import { filtersOf, readReference } from '../../istio/gatewayapi.ts'
import { parseHost, registrableDomain } from '../../istio/host.ts'
import { dig, field, isFields, list, text } from '../../istio/json.ts'
import { type Route, whoseOf } from './backend.ts'
import type { Judge } from './message.ts'

/** Judges what the filters of a route do with requests; `leaving` are the rules of which something leaves the mesh. */
export function judgeFilters(route: Route, leaving: ReadonlySet<number>): void {
  const { subject, attached, tools } = route
  for (const { path, filter, rule } of filtersOf(subject.object)) {
    judgeRedirect(filter, path, route)
    const message = attached.mesh || leaving.has(rule) ? 'rewritten-host' : 'ingress-rewrite'
    for (const rewrite of rewritesOf(filter)) {
      const value = foreignHost(rewrite.host, subject, tools)
      if (value === undefined) continue
      tools.report(message, { path: [...path, ...rewrite.path], value, slots: { whose: whoseOf(subject) } })
    }
    judgeExtension(filter, path, route)
  }
}

function judgeRedirect(filter: unknown, path: Path, { subject, attached, tools }: Route): void {
  const redirect = field(filter, 'requestRedirect')
  const given = text(field(redirect, 'hostname'))
  const value = given === undefined ? undefined : foreignHost(given, subject, tools)
  const message = attached.mesh ? 'mesh-redirect' : 'ingress-redirect'
  const whose = whoseOf(subject)
  if (value !== undefined && (attached.mesh || !isOwnDomain(value, subject))) {
    const remedy = 'remove the host of the redirect, or have it approved (ApprovedHosts)'
    tools.report(message, { path: [...path, 'requestRedirect', 'hostname'], value, slots: { whose, remedy } })
  }
  for (const key of ['replaceFullPath', 'replacePrefixMatch'] as const) {
    const spliced = text(dig(redirect, 'path', key))
    if (spliced === undefined || !isSpliced(spliced)) continue
    const place = { path: [...path, 'requestRedirect', 'path', key], value: spliced }
    tools.report(message, { ...place, slots: { whose, remedy: 'write the path with a slash before it' } })
  }
}

/**
 * Envoy writes scheme, host and path one after the other, so that a path without a slash becomes part of the host. Istio:
 * pilot/pkg/config/kube/gateway/conversion.go (createRedirectFilter), networking/core/route/route.go (ApplyRedirect).
 */
function isSpliced(path: string): boolean {
  return /^[^/?#]/.test(path)
}

/** From `example.com` to `www.example.com` is no way out: whoever asked was asking the same people. */
function isOwnDomain(host: string, subject: Subject): boolean {
  const domain = registrableDomain(host)
  if (domain === undefined) return false
  const hostnames = list(dig(subject.object, 'spec', 'hostnames'))
  return hostnames.some(hostname => registrableDomain(text(hostname)?.toLowerCase() ?? '') === domain)
}

/** Yields the hosts that a filter lets requests ask for; the path is inside the filter. */
function* rewritesOf(filter: unknown): Generator<{ readonly path: Path; readonly host: string }> {
  const hostname = text(dig(filter, 'urlRewrite', 'hostname'))
  if (hostname !== undefined) yield { path: ['urlRewrite', 'hostname'], host: hostname }
  for (const change of ['set', 'add'] as const) {
    for (const [i, header] of list(dig(filter, 'requestHeaderModifier', change)).entries()) {
      const name = text(field(header, 'name'))?.toLowerCase()
      if (name !== 'host' && name !== ':authority') continue
      yield { path: ['requestHeaderModifier', change, i, 'value'], host: text(field(header, 'value')) ?? '' }
    }
  }
}

/** Returns the host where it is outside and not approved; what is no host, such as a variable, may be any. */
function foreignHost(given: string, subject: Subject, tools: Judge): string | undefined {
  const parsed = parseHost(given.replace(/:[0-9]+$/, ''))
  if (!parsed.ok) return given
  if (parsed.value.form === 'label') return undefined
  return standingOf(parsed.value, subject, tools) === 'foreign' ? parsed.value.text : undefined
}

function judgeExtension(filter: unknown, path: Path, { attached, tools, odd }: Route): void {
  const given = field(filter, 'extensionRef')
  if (!isFields(given)) return
  const { kind } = readReference(given, { kind: '', namespace: '' })
  if (tools.params.filterKinds.includes(kind)) return
  if (attached.unknown !== undefined) odd.add(kind)
  else tools.report('unknown-filter', { path: [...path, 'extensionRef', 'kind'], value: kind })
}
