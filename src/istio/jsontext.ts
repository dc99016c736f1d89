import { bad, good, type Result } from './result.ts'
import { readYaml } from './yaml.ts'

/** Most tokens of a text with escapes: that of a container with a hundred variables has some 1,500. */
const tokenLimit = 4_000

/**
 * Returns what a JSON text inside an annotation holds. Go escapes `<`, `>` and `&` in texts, but V8 may give a key with an
 * escape another name (nodejs/node#63785), so that a text with such escapes is read as YAML, of which JSON is a part.
 */
export function parseJsonText(json: string): Result<unknown> {
  if (json.includes('\\u')) return readYaml(json, tokenLimit)
  try {
    return good(JSON.parse(json))
  } catch {
    return bad('is no JSON')
  }
}
