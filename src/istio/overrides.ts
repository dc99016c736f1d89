import { type Fields, field, isFields, text } from './json.ts'
import { parseJsonText } from './jsontext.ts'
import { bad, good, type Result } from './result.ts'
import { quote } from './text.ts'

/**
 * Annotation in which the injector writes down the containers of a pod's author that bear the name of an injected one, and
 * from which it reads them back: what it says wins over the template. Istio: pkg/kube/inject/webhook.go
 * (reapplyOverwrittenContainers, reinsertOverrides).
 */
export const overridesAnnotation = 'proxy.istio.io/overrides'

/** One container of the annotation. */
export type Override = { readonly name: string; readonly container: Fields }

/**
 * Returns the containers of the annotation, in order. Empty where it says nothing: no text, null, an object or list
 * without anything in it.
 *
 * Fails where the text is not what the injector writes: no JSON, other keys than `containers` and `initContainers`, what
 * is no list of named containers. The injector itself is laxer: it takes a key in any case and passes over those that it
 * does not know.
 */
export function readOverrides(json: string): Result<readonly Override[]> {
  const read = json.trim() === '' ? good(null) : parseJsonText(json)
  if (!read.ok) return read
  const { value } = read
  if (value === null || (Array.isArray(value) && value.length === 0)) return good([])
  if (!isFields(value)) return bad('is no map of containers')
  const odd = Object.keys(value).find(key => key !== 'containers' && key !== 'initContainers')
  if (odd !== undefined) return bad(`has the key ${quote(odd)}`)
  const overrides: Override[] = []
  for (const key of ['containers', 'initContainers']) {
    const entries = field(value, key) ?? []
    if (!Array.isArray(entries)) return bad(`has ${key} that are no list`)
    for (const container of entries) {
      const name = text(field(container, 'name'))
      if (!isFields(container) || name === undefined) return bad(`has ${key} without a name`)
      overrides.push({ name, container })
    }
  }
  return good(overrides)
}
