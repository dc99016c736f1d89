import { bad, good, type Result } from '../istio/result.ts'

/** Returns the text of bytes that are UTF-8; a byte order mark stays, the readers know it. */
export function decodeUtf8(bytes: Uint8Array): Result<string> {
  try {
    return good(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch {
    return bad('not UTF-8 text')
  }
}
