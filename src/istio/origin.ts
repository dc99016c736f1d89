import { parseHost } from './host.ts'
import { bad, good, type Result } from './result.ts'

/** Where a URL leads: what is asked, on which port, in which way. */
export type Origin = {
  readonly scheme: 'http' | 'https'
  /** Canonical. */
  readonly host: string
  readonly port: number
}

// Scheme, authority, and the rest, of which nothing but its beginning matters.
const url = /^(https?):\/\/([^/?#\\@\s%]+)(?:[/?#][^\\\s]*)?$/i

/**
 * Returns the origin of a URL of HTTP or HTTPS, or why it has none that every reader agrees on: credentials, backslashes,
 * white space and escapes in the host are read in one way by Go (net/url, which Istio uses) and in others elsewhere.
 *
 *     URL                                 origin
 *     https://login.example.com/keys      https login.example.com 443
 *     HTTPS://Login.Example.com:8443      https login.example.com 8443
 *     http://[2001:db8::1]/               http 2001:db8::1 80
 *     https://good.example@evil.example   failure
 *     ftp://login.example.com             failure
 */
export function parseOrigin(text: string): Result<Origin> {
  const found = url.exec(text)
  if (found === null) return bad('is no plain URL of http or https')
  const [, scheme = '', authority = ''] = found
  const isSecure = scheme.toLowerCase() === 'https'
  const { name, port } = splitPort(authority)
  const host = parseHost(name)
  if (!host.ok) return bad(`has a host that ${host.why}`)
  if (host.value.form === 'any' || host.value.form.endsWith('wildcard')) return bad('has a host with a star')
  const number = port === undefined ? (isSecure ? 443 : 80) : Number(port)
  if (number < 1 || number > 65535) return bad('has a port that is none')
  return good({ scheme: isSecure ? 'https' : 'http', host: host.value.text, port: number })
}

/**
 * Returns the host and the port of a text such as `example.com:8080` or `[2001:db8::1]:80`; the port is undefined where
 * there is none. An address of IPv6 loses its brackets.
 */
export function splitPort(authority: string): { readonly name: string; readonly port: string | undefined } {
  if (/^\[[^\]]*\](?::[0-9]{1,5})?$/.test(authority)) {
    const end = authority.indexOf(']')
    return { name: authority.slice(1, end), port: authority.slice(end + 2) || undefined }
  }
  if (!/^[^:]*:[0-9]{1,5}$/.test(authority)) return { name: authority, port: undefined }
  const colon = authority.indexOf(':')
  return { name: authority.slice(0, colon), port: authority.slice(colon + 1) }
}
