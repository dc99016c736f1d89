import type { IncomingHttpHeaders } from 'node:http'

/** One media type, no parameter but `charset=utf-8`. */
const plainJson = /^\s*application\/json\s*(;\s*charset\s*=\s*("utf-8"|utf-8)\s*)?$/i

/** Returns false for headers that announce a body which is not plain JSON in UTF-8. */
export function announcesJson(headers: IncomingHttpHeaders): boolean {
  const type = headers['content-type']
  return headers['content-encoding'] === undefined && (type === undefined || plainJson.test(type))
}

/** Returns the length that headers announce; 0 for a body in chunks, which is counted as it comes. */
export function announcedLength(headers: IncomingHttpHeaders): number {
  return Number(headers['content-length'] ?? 0)
}

/** Returns the status of bytes that HTTP could not make a request of, undefined where there is nobody to tell. */
export function brokenStatus({ code }: { readonly code?: string }): number | undefined {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 408
  if (code === 'HPE_HEADER_OVERFLOW') return 431
  return code?.startsWith('HPE_') ? 400 : undefined
}
