/** Where in an object: keys and list indexes from its root, in the order they are followed. */
export type Path = readonly (string | number)[]

const plainKey = /^[A-Za-z_][A-Za-z0-9_-]*$/

/**
 * Returns the path in Kubernetes' field-path notation: `spec.hosts[0]`; keys with other characters are quoted:
 * `metadata.annotations["proxy.istio.io/config"]`. The root is the empty text.
 */
export function formatPath(path: Path): string {
  let out = ''
  for (const segment of path) {
    if (typeof segment === 'number') out += `[${segment}]`
    else if (plainKey.test(segment)) out += out === '' ? segment : `.${segment}`
    else out += `[${JSON.stringify(segment)}]`
  }
  return out
}

/** One segment of a path pattern: a key, an index, or `*` for any index. */
export type PatternSegment = string | number | { readonly anyIndex: true }

const token = /\.?([A-Za-z_][A-Za-z0-9_-]*)|\[(\d+)\]|\[(\*)\]|\["(?:[^"\\]|\\.)*"\]/y

/**
 * Returns the segments of a path as `formatPath` writes it, with `[*]` allowed for any index, or undefined where the
 * text is no such path.
 */
export function parsePattern(text: string): readonly PatternSegment[] | undefined {
  const segments: PatternSegment[] = []
  token.lastIndex = 0
  let at = 0
  while (at < text.length) {
    token.lastIndex = at
    const found = token.exec(text)
    if (found === null || (at === 0 && text.startsWith('.'))) return undefined
    const [whole, key, index, star] = found
    if (key !== undefined && at > 0 && !whole.startsWith('.')) return undefined
    if (key !== undefined) segments.push(key)
    else if (index !== undefined) segments.push(Number(index))
    else if (star !== undefined) segments.push({ anyIndex: true })
    else {
      const name = unquote(whole.slice(1, -1))
      if (name === undefined) return undefined
      segments.push(name)
    }
    at = token.lastIndex
  }
  return segments
}

function unquote(quoted: string): string | undefined {
  try {
    return String(JSON.parse(quoted))
  } catch {
    return undefined
  }
}

/** Returns true where the path is the pattern's, index wildcards aside. */
export function matchesPattern(pattern: readonly PatternSegment[], path: Path): boolean {
  if (pattern.length !== path.length) return false
  return pattern.every((segment, i) =>
    typeof segment === 'object' ? typeof path[i] === 'number' : segment === path[i],
  )
}
