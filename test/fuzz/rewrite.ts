import { isFields } from '../../src/istio/json.ts'
import type { Random } from './random.ts'
import { escaped } from './shape.ts'

/** Deeper values are not written anew: what writes them would have to do without a stack. */
const deepest = 400

/** Largest value that is written anew, in values. */
const largest = 20_000

/** Returns the same JSON in another writing: order of keys, white space, escapes; undefined where it is too deep or large. */
export function rewrite(value: unknown, random: Random): string | undefined {
  return isSmall(value) ? write(value, random) : undefined
}

function isSmall(root: unknown): boolean {
  let count = 0
  const todo: [unknown, number][] = [[root, 0]]
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const [value, depth] = next
    if (depth > deepest || ++count > largest) return false
    if (typeof value !== 'object' || value === null) continue
    for (const inner of Object.values(value)) todo.push([inner, depth + 1])
  }
  return true
}

function write(value: unknown, random: Random): string {
  const space = random.once(4) ? random.pick([' ', '\n', '\t', '\r\n', '   ']) : ''
  if (Array.isArray(value)) return `[${space}${value.map(item => write(item, random)).join(`${space},`)}${space}]`
  if (isFields(value)) {
    const entries = random
      .shuffle(Object.keys(value))
      .map(key => `${writeText(key, random)}${space}:${space}${write(value[key], random)}`)
    return `{${space}${entries.join(`,${space}`)}}${space}`
  }
  if (typeof value === 'string') return writeText(value, random)
  if (typeof value !== 'number') return String(value)
  if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value)
  return value > 0 ? '1e999' : '-1e999'
}

function writeText(text: string, random: Random): string {
  const plain = JSON.stringify(text)
  return random.once(3) ? escaped(plain, random) : plain
}
