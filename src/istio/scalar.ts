/**
 * What a scalar of YAML means to Go: the rules of `resolve` in go.yaml.in/yaml/v2, which sigs.k8s.io/yaml, and so kubectl
 * and the API server, read with. They are YAML 1.1 without sexagesimal numbers and without dates, and with `0o17`.
 */

/** A scalar as Go resolves it; whole numbers are kept exactly, since Go knows 64 bits and JavaScript 53. */
export type GoScalar =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'null'; readonly value: null }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'float'; readonly value: number }
  /** Fits a signed 64-bit integer. */
  | { readonly kind: 'int'; readonly value: bigint }
  /** Fits only an unsigned one. */
  | { readonly kind: 'uint'; readonly value: bigint }

const words: ReadonlyMap<string, GoScalar> = new Map<string, GoScalar>([
  ...spell(['y', 'yes', 'true', 'on'], { kind: 'bool', value: true }),
  ...spell(['n', 'no', 'false', 'off'], { kind: 'bool', value: false }),
  ...spell(['', '~', 'null'], { kind: 'null', value: null }),
  ...spell(['.inf', '+.inf'], { kind: 'float', value: Number.POSITIVE_INFINITY }),
  ...spell(['-.inf'], { kind: 'float', value: Number.NEGATIVE_INFINITY }),
  ['.nan', { kind: 'float', value: Number.NaN }],
  ['.NAN', { kind: 'float', value: Number.NaN }],
  ['.NaN', { kind: 'float', value: Number.NaN }],
])

/** Lists the spellings Go knows of each word: small, Capital and CAPITALS (`.Inf`: the first letter after the dot). */
function spell(list: readonly string[], meaning: GoScalar): [string, GoScalar][] {
  return list.flatMap(word =>
    [word, word.replace(/[a-z]/, letter => letter.toUpperCase()), word.toUpperCase()].map(
      (spelling): [string, GoScalar] => [spelling, meaning],
    ),
  )
}

/** Returns what an unquoted scalar without a tag means. */
export function resolvePlain(text: string): GoScalar {
  const word = words.get(text)
  if (word !== undefined) return word
  const number = text.startsWith('.') ? dotFloat(text) : /^[-+0-9]/.test(text) ? numeral(text) : undefined
  return number ?? { kind: 'string', value: text }
}

// strconv.ParseFloat lets a single underscore stand between two digits.
function dotFloat(text: string): GoScalar | undefined {
  if (!/^\.[0-9](?:_?[0-9])*(?:[eE][-+]?[0-9](?:_?[0-9])*)?$/.test(text)) return undefined
  return finite(text.replaceAll('_', ''))
}

function numeral(text: string): GoScalar | undefined {
  const plain = text.replaceAll('_', '')
  const whole = wholeNumber(plain)
  if (whole !== undefined) return whole
  return /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(plain) ? finite(plain) : undefined
}

// A number beyond the range of a double is no number to Go but a text.
function finite(text: string): GoScalar | undefined {
  const value = Number(text)
  // Adding zero makes a negative zero a plain one, as the API server stores it.
  return Number.isFinite(value) ? { kind: 'float', value: value + 0 } : undefined
}

function wholeNumber(plain: string): GoScalar | undefined {
  // The sign inside, as in "0b-1", is a quirk of the Go code: it cuts off "0b" and reads the rest as a signed number.
  const match = /^(?:([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)|0b([-+])([01]+))$/.exec(plain)
  if (match === null) return undefined
  const [, outer, literal, inner, bits] = match
  const digits = literal === undefined ? `0b${bits}` : literal.replace(/^0(?=[0-9])/, '0o')
  const size = BigInt(digits)
  const sign = outer ?? inner
  const value = sign === '-' ? -size : size
  if (BigInt.asIntN(64, value) === value) return { kind: 'int', value }
  return sign === '' && BigInt.asUintN(64, value) === value ? { kind: 'uint', value } : undefined
}

/** Returns what a scalar with one of YAML's own tags means (`!!int "5"`), or undefined where Go refuses it. */
export function resolveTagged(text: string, tag: string): GoScalar | undefined {
  if (tag === 'str') return { kind: 'string', value: text }
  if (tag === 'binary') return binary(text)
  const plain = resolvePlain(text)
  if (tag === 'float' && plain.kind === 'int') return { kind: 'float', value: Number(plain.value) }
  const kind = plain.kind === 'uint' ? 'int' : plain.kind
  return kind === tag ? plain : undefined
}

// Bytes that are no text are refused: Go would put replacement characters in their place.
function binary(text: string): GoScalar | undefined {
  const base64 = text.replaceAll('\n', '')
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) return undefined
  try {
    const bytes = Uint8Array.from(atob(base64), character => character.charCodeAt(0))
    return { kind: 'string', value: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) }
  } catch {
    return undefined
  }
}

/** Returns the name that Go gives a key of that meaning, or undefined where it refuses it or where names could differ. */
export function keyName(key: GoScalar): string | undefined {
  if (key.kind === 'string') return key.value
  if (key.kind === 'bool' || key.kind === 'int') return String(key.value)
  if (key.kind === 'float') return floatName(key.value)
  return undefined
}

// Go writes a key that is a float with the fewest digits that name it in 32 bits. Up to six digits that is the number as
// it stands; beyond, and outside the range that is written without exponent, the two languages' rules part: refused.
function floatName(value: number): string | undefined {
  const name = String(value)
  const digits = name.replace('-', '').replace(/^0\.0*|\./, '')
  return digits.length <= 6 && /^-?[0-9.]+$/.test(name) && Math.abs(value) >= 1e-4 ? name : undefined
}
