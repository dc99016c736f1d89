import { type Host, parseHost } from '../../istio/host.ts'
import { bad, type Result } from '../../istio/result.ts'

/**
 * Returns the host of a forward proxy as `HTTP_PROXY` and its like name it, or why that cannot be told for sure; the clause
 * has the address as its subject.
 *
 *     text                             host
 *     http://proxy.example.com:3128    proxy.example.com
 *     proxy.example.com:3128           proxy.example.com
 *     socks5h://me:pass@10.0.0.7/      10.0.0.7
 *     http://[2001:db8::1]:3128        2001:db8::1
 *
 * Clients differ in what they make of other texts (white space, backslashes, two at-signs), and so could be shown one host
 * and use another: such texts are refused.
 */
export function proxyHost(text: string): Result<Host> {
  if (/[\u0000-\u0020\u007f\\]/.test(text)) return bad('holds white space, a control character or a backslash')
  const authority = text.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '').replace(/[/?#].*$/, '')
  if (authority.indexOf('@') !== authority.lastIndexOf('@')) return bad('has more than one "@"')
  const place = withoutUser(authority)
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(place)?.[1]
  const host = bracketed ?? place.replace(/:\d*$/, '')
  const parsed = parseHost(host)
  if (!parsed.ok) return bad(`has a host that ${parsed.why}`)
  const { form, text: name } = parsed.value
  const isAddress = form === 'name' || form === 'label' || form === 'ip'
  if (!isAddress || (bracketed !== undefined) !== name.includes(':')) return bad('has no host that a client could call')
  return parsed
}

/** Returns the text without what stands before an at-sign, which may be a password. */
export function withoutUser(text: string): string {
  return text.slice(text.lastIndexOf('@') + 1)
}
