import { bad, good, type Result } from '../istio/result.ts'
import { parseJson } from '../manifest/parse.ts'

/** Refuses what is not UTF-8, and keeps a byte order mark, which is not JSON. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Returns the JSON value of a request body, read once and strictly: UTF-8 without byte order mark, one value, nothing after
 * it. Keys like `__proto__` become own properties like any other.
 */
export function readBody(bytes: Uint8Array): Result<unknown> {
  try {
    return good(parseJson(utf8.decode(bytes)))
  } catch {
    return bad('is no JSON in UTF-8')
  }
}
