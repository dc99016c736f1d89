import { getDomain, getPublicSuffix } from 'tldts'
import { canonicalAddress } from './cidr.ts'
import { bad, good, type Result } from './result.ts'
import { quote } from './text.ts'

/** How a host is written, which says what it stands for. */
export type HostForm =
  /** One DNS name with at least one dot: `api.example.com`. */
  | 'name'
  /** Every name below another one, at any depth: `*.example.com`. */
  | 'wildcard'
  /** Every name with an ending that is not a whole label: `*-x.example.com`, `*x`. */
  | 'partial-wildcard'
  /** Every name: `*`. */
  | 'any'
  /** An IP address: `10.0.0.1`, `2001:db8::1`. */
  | 'ip'
  /** A single label without a dot, which Istio may take as the short name of a Service: `reviews`. */
  | 'label'

/** A host that parsed. */
export type Host = {
  /** Canonical text: lower case, no dot at the end, an IP address in its shortest form. The only text to compare. */
  readonly text: string
  /** True where the text given was the canonical one. */
  readonly canonical: boolean
  readonly form: HostForm
}

const LONGEST_NAME = 253
const LONGEST_LABEL = 63

const STAR = 0x2a
const HYPHEN = 0x2d
const DOT = 0x2e

/**
 * Returns the host that a text spells, or what is wrong with it; the clause has the host as its subject.
 *
 *     text                 canonical text      form
 *     api.example.com      api.example.com     name
 *     API.example.com.     api.example.com     name (not canonical)
 *     *.example.com        *.example.com       wildcard
 *     *-x.example.com      *-x.example.com     partial-wildcard
 *     *                    *                   any
 *     reviews              reviews             label
 *     ::ffff:10.0.0.1      10.0.0.1            ip (not canonical)
 *
 * Accepts what istio.io/istio `pkg/config/validation/agent` (`ValidateWildcardDomain`) or Go's `netip.ParseAddr`
 * accepts, except texts that DNS, clients and Istio read differently: a last label that some resolvers read as a part
 * of an IPv4 address (`127.1`, `0x7f.1`, `1`), a name of more than 253 characters, `*.` and a zone.
 */
export function parseHost(text: string): Result<Host> {
  if (text === '*') return good({ text, canonical: true, form: 'any' })
  const end = text.charCodeAt(text.length - 1) === DOT ? text.length - 1 : text.length
  if (end === 0) return bad(text === '' ? 'is empty' : 'has an empty label')
  if (end > LONGEST_NAME) return bad(`has more than ${LONGEST_NAME} characters`)

  const starred = text.charCodeAt(0) === STAR
  const partial = starred && text.charCodeAt(1) !== DOT
  // Behind `*`, `*.` or `*-` an ordinary label must follow.
  const body = !starred ? 0 : partial && text.charCodeAt(1) !== HYPHEN ? 1 : 2
  if (end <= body) return bad('has nothing behind its star')
  let label = partial ? 0 : body
  let first = body
  let upper = false
  for (let at = body; at < end; at++) {
    const code = text.charCodeAt(at)
    if ((code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39)) continue
    if (code >= 0x41 && code <= 0x5a) {
      upper = true
    } else if (code === HYPHEN) {
      if (at === first) return bad('has a label that begins with a hyphen')
    } else if (code === DOT) {
      const wrong = judgeLabel(text, label, first, at)
      if (wrong !== undefined) return bad(wrong)
      label = at + 1
      first = label
    } else {
      return readOther(text, at)
    }
  }
  const wrong = judgeLabel(text, label, first, end)
  if (wrong !== undefined) return bad(wrong)

  const last = text.charCodeAt(label)
  if (last >= 0x30 && last <= 0x39 && NUMERIC.test(text.slice(label, end))) return readNumeric(text)

  const canonical = !upper && end === text.length
  const form = partial ? 'partial-wildcard' : starred ? 'wildcard' : label === 0 ? 'label' : 'name'
  return good({ text: canonical ? text : text.slice(0, end).toLowerCase(), canonical, form })
}

/** What resolvers that follow `inet_aton`, or the URL standard, read as a number: decimal, octal or hexadecimal. */
const NUMERIC = /^(?:[0-9]+|0[xX][0-9a-fA-F]*)$/

function judgeLabel(text: string, from: number, first: number, to: number): string | undefined {
  if (first === to) return 'has an empty label'
  if (to - from > LONGEST_LABEL) return `has a label of more than ${LONGEST_LABEL} characters`
  if (text.charCodeAt(to - 1) === HYPHEN) return 'has a label that ends with a hyphen'
  return undefined
}

function readNumeric(text: string): Result<Host> {
  return canonicalAddress(text).ok
    ? good({ text, canonical: true, form: 'ip' })
    : bad('ends in a number, so that some clients read it as an IPv4 address')
}

/** Returns what a text is that holds, at `at`, a character of no DNS name: an IPv6 address, or an error. */
function readOther(text: string, at: number): Result<Host> {
  if (text.includes(':')) {
    const address = canonicalAddress(text)
    if (address.ok) return good({ text: address.value, canonical: address.value === text, form: 'ip' })
    if (text.startsWith('[')) return bad('has brackets, which belong to addresses in URLs')
    if (/^[^:]*:[0-9]+$/.test(text)) return bad('has a port, which is not part of a host')
    return bad(address.why)
  }
  const code = text.charCodeAt(at)
  if (code === STAR) return bad('has a star that is not its first character')
  if (code <= 0x20 || code === 0x7f) return bad(`holds white space or a control character (${codePoint(text, at)})`)
  if (code < 0x80) return bad(`holds ${quote(text.charAt(at))}, which no DNS name has`)
  const ascii = asciiForm(text)
  return ascii === undefined
    ? bad(`holds ${codePoint(text, at)}, which no DNS name has`)
    : bad(`is written in Unicode; its ASCII form is ${quote(ascii)}`)
}

function codePoint(text: string, at: number): string {
  return `U+${text.codePointAt(at)?.toString(16).toUpperCase().padStart(4, '0')}`
}

/** Returns the Punycode form of a name in Unicode, as browsers make it, where that is a canonical host. */
function asciiForm(text: string): string | undefined {
  // The URL parser gives other ASCII characters, such as "/" and "%", a meaning of their own.
  if (/[^a-zA-Z0-9.*\-\u{80}-\u{10ffff}]/u.test(text)) return undefined
  const ascii = URL.parse(`http://${text}`)?.hostname
  return ascii !== undefined && parseHost(ascii).ok ? ascii : undefined
}

/**
 * Returns true where `wide` contains every name of `narrow`, for canonical texts. As istio.io/istio
 * `pkg/config/host/name.go`, `SubsetOf`.
 *
 *     wide            narrow            covers
 *     *.a.com         x.a.com           true
 *     *.a.com         x.y.a.com         true
 *     *.a.com         *.b.a.com         true
 *     *.a.com         a.com             false
 *     *.a.com         evila.com         false
 *     *.a.com         *.com             false
 *     *               anything          true
 *     *-x.a.com       b-x.a.com         true
 *     *a.com          evila.com         true
 *     a.com           a.com             true
 */
export function covers(wide: string, narrow: string): boolean {
  if (wide.charCodeAt(0) !== STAR) return wide === narrow
  // The star of a narrower wildcard must not count as a character of its ending.
  if (narrow.charCodeAt(0) === STAR && narrow.length < wide.length) return false
  return narrow.endsWith(wide.slice(1))
}

/**
 * Returns true where some name is in both hosts, for canonical texts. As istio.io/istio `pkg/config/host/name.go`,
 * `Matches`; since a wildcard is an ending, two hosts overlap only where one covers the other.
 *
 *     a               b                 overlaps
 *     *.a.com         x.a.com           true
 *     *.com           *.a.com           true
 *     *.a.com         *.b.com           false
 *     *.a.com         a.com             false
 *     *               anything          true
 */
export function overlaps(a: string, b: string): boolean {
  return covers(a, b) || covers(b, a)
}

const SUFFIX_OPTIONS = {
  allowPrivateDomains: true,
  detectIp: false,
  extractHostname: false,
  validateHostname: false,
} as const

/**
 * Returns true where a canonical host is, or stands for names directly below, a public suffix: a name under which
 * everyone may register. Suffixes of hosting providers count, and so does any top-level domain that is not listed.
 *
 *     host              public suffix
 *     *                 true
 *     *.com             true
 *     *.co.uk           true
 *     *.github.io       true
 *     *-x.co.uk         true
 *     com               true
 *     *.example.com     false
 *     example.com       false
 *     10.0.0.1          false
 */
export function isPublicSuffix(host: string): boolean {
  const base = baseName(host)
  if (base === undefined) return false
  return base === '' || getPublicSuffix(base, SUFFIX_OPTIONS) === base
}

/**
 * Returns the domain that one owner registered and that holds every name of a canonical host (`example.co.uk` for
 * `*.api.example.co.uk`), or undefined where there is none: public suffixes, IP addresses, single labels.
 */
export function registrableDomain(host: string): string | undefined {
  const base = baseName(host)
  return base === undefined ? undefined : (getDomain(base, SUFFIX_OPTIONS) ?? undefined)
}

/** Returns the longest name that all names of a host end with, '' where there is none, undefined for an IP address. */
function baseName(host: string): string | undefined {
  if (host.charCodeAt(0) === STAR) {
    const dot = host.indexOf('.')
    return dot < 0 ? '' : host.slice(dot + 1)
  }
  return canonicalAddress(host).ok ? undefined : host
}

/**
 * Returns true where every name of a canonical host is one that the cluster itself gives: below the cluster domain,
 * `local` (which holds `cluster.local` and the `clusterset.local` of multi-cluster Services) or `svc`.
 *
 *     host                              cluster domain   cluster host
 *     egress.istio-egress.svc.k8s.acme  k8s.acme         true
 *     *.istio-egress.svc.k8s.acme       k8s.acme         true
 *     a.b.svc.cluster.local             k8s.acme         true
 *     a.b.svc.clusterset.local          cluster.local    true
 *     a.b.svc                           cluster.local    true
 *     *.acme                            k8s.acme         false
 *     reviews                           cluster.local    false
 */
export function isClusterHost(host: string, clusterDomain: string): boolean {
  return isBelow(host, [clusterDomain, 'local', 'svc'])
}

/**
 * Returns true where every name of a canonical host leads to something in the cluster, or in one of the same set. Other names
 * below `local` do not: many an organisation calls its own network so, and such a name is no claim to a Service's either.
 *
 *     host                       cluster domain   answer
 *     a.b.svc.cluster.local      cluster.local    true
 *     a.b.svc.clusterset.local   cluster.local    true
 *     a.b.svc                    k8s.acme         true
 *     squid.corp.local           cluster.local    false
 *     *.local                    cluster.local    false
 */
export function leadsIntoCluster(host: string, clusterDomain: string): boolean {
  return isBelow(host, [clusterDomain, 'cluster.local', 'clusterset.local', 'svc'])
}

function isBelow(host: string, zones: readonly string[]): boolean {
  return zones.some(zone => host === zone || covers(`*.${zone}`, host))
}
