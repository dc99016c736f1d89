import type { Checks } from './outcome.ts'
import { type Door, Wire } from './wire.ts'

/** What became of a connection whose client took its time. */
interface Cut {
  readonly milliseconds: number
  /** What the server said. */
  readonly said: string
}

const start = 'POST /validate HTTP/1.1\r\nhost: guard\r\ncontent-type: application/json\r\n'

/** Milliseconds by which a timer may be late on a machine that others use. */
const lateness = 2000

async function untilClosed(wire: Wire): Promise<Cut> {
  const began = performance.now()
  await wire.closed()
  return { milliseconds: performance.now() - began, said: wire.left }
}

async function slowBody(door: Door): Promise<Cut> {
  const wire = await Wire.open(door)
  wire.send(`${start}content-length: 100000\r\n\r\n{`)
  wire.drip(' ', 400)
  return untilClosed(wire)
}

async function slowHeaders(door: Door): Promise<Cut> {
  const wire = await Wire.open(door)
  wire.send(start)
  wire.drip('x: y\r\n', 400)
  return untilClosed(wire)
}

async function noHandshake(door: Door, first: string): Promise<Cut> {
  const wire = await Wire.openPlain(door)
  if (first !== '') wire.send(first)
  return untilClosed(wire)
}

/**
 * Starts what only the clock of the server ends, rows 53 to 55, all at once and beside the other rows, since it takes
 * seconds. Returns, by row, what waits for the end and looks at it.
 */
export function startCuts(door: Door): ReadonlyMap<number, (t: Checks) => Promise<void>> {
  const [body, headers] = [slowBody(door), slowHeaders(door)]
  // Nothing at all, and the first bytes of a ClientHello.
  const handshakes = ['', '\u0016\u0003\u0001'].map(first => noHandshake(door, first))
  const slow = async (t: Checks, cut: Promise<Cut>): Promise<void> => {
    const { milliseconds, said } = await cut
    t.ok(milliseconds <= 10_000 + lateness, `cut after ${milliseconds.toFixed(0)} ms`)
    t.match(said, /^HTTP\/1\.1 408 [\s\S]*\r\n\r\ntoo slow\n$/)
  }
  return new Map([
    [53, t => slow(t, body)],
    [54, t => slow(t, headers)],
    [
      55,
      async t => {
        for (const handshake of handshakes) {
          const { milliseconds, said } = await handshake
          t.ok(milliseconds <= 6000 + lateness, `cut after ${milliseconds.toFixed(0)} ms`)
          t.equal(said, '', 'without a word')
        }
      },
    ],
  ])
}
