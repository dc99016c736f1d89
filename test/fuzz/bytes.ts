import type { Random } from './random.ts'
import { noUtf8, tokens } from './words.ts'

type Change = (bytes: Buffer, random: Random, others: readonly Buffer[]) => Buffer

function cutOut(bytes: Buffer, from: number, to: number, between: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([bytes.subarray(0, from), between, bytes.subarray(to)])
}

/** Returns a stretch of the bytes, mostly short. */
function stretch(bytes: Buffer, random: Random): readonly [from: number, to: number] {
  const from = random.below(bytes.length)
  return [from, Math.min(bytes.length, from + 1 + random.below(random.once(4) ? 4000 : 40))]
}

const changes: readonly Change[] = [
  // A bit is turned over.
  (bytes, random) => {
    const turned = Buffer.from(bytes)
    const at = random.below(turned.length)
    turned[at] = (turned[at] ?? 0) ^ (1 << random.below(8))
    return turned
  },
  // The end, or a piece of the middle, is cut off.
  (bytes, random) =>
    random.once(3) ? bytes.subarray(0, random.below(bytes.length)) : cutOut(bytes, ...stretch(bytes, random)),
  // A piece of another review comes in.
  (bytes, random, others) => {
    const other = random.pick(others)
    const at = random.below(bytes.length)
    return cutOut(bytes, at, at, other.subarray(...stretch(other, random)))
  },
  // A piece comes again and again.
  (bytes, random) => {
    const [from, to] = stretch(bytes, random)
    const times = random.once(8) ? 64 : 1
    return cutOut(bytes, to, to, Buffer.concat(Array.from({ length: times }, () => bytes.subarray(from, to))))
  },
  (bytes, random) => {
    const at = random.below(bytes.length)
    return cutOut(bytes, at, at, Buffer.from(random.pick(tokens)))
  },
  (bytes, random) => {
    const at = random.below(bytes.length)
    return cutOut(bytes, at, at + random.below(2), Uint8Array.from(random.pick(noUtf8)))
  },
]

/** Returns bytes with a few changes that know nothing of JSON. */
export function damageBytes(bytes: Buffer, random: Random, others: readonly Buffer[]): Buffer {
  let damaged = bytes
  for (let left = 1 + random.below(4); left > 0 && damaged.length > 0; left--) {
    damaged = random.pick(changes)(damaged, random, others)
  }
  return damaged
}
