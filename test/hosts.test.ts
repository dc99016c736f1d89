import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { Inventory } from '../src/core/inventory.ts'
import type { Policy } from '../src/core/policy.ts'
import { inventoryWith, loadHosts, memoryOf, timeVerdict } from './bench/hosts.ts'

setFlagsFromString('--expose-gc')
globalThis.gc = runInNewContext('gc')

/**
 * Returns microseconds of a verdict by the one and by the other, taken in turns and in short slices, the best of each: the
 * machine may be busy. What a busy machine adds passes, what the other costs does not, so that more turns are worth a try.
 */
function compare(
  one: Policy,
  other: Policy,
  [first, second]: readonly (Inventory | undefined)[] = [],
): readonly [number, number] {
  let [base, loaded] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let turn = 0; turn < 3 || (turn < 12 && loaded >= base * 2); turn++) {
    base = Math.min(base, timeVerdict(one, first, 20, 50))
    loaded = Math.min(loaded, timeVerdict(other, second, 20, 50))
  }
  return [base, loaded]
}

t.test('100,000 approved hosts are held in 150 MiB and do not slow a verdict', t => {
  const few = loadHosts(100)
  const { policy: many, mebibytes, milliseconds } = memoryOf(() => loadHosts(100_000))
  t.equal(many.facts.approvedHosts.size, 100_000)
  t.ok(mebibytes < 150, `${mebibytes.toFixed(1)} MiB held`)
  t.comment(`loaded in ${milliseconds.toFixed(0)} ms`)
  const [base, loaded] = compare(few, many)
  t.ok(loaded < base * 2, `${loaded.toFixed(1)} µs against ${base.toFixed(1)} µs with 100 hosts`)
  t.end()
})

t.test('a verdict costs the same among 40 and 40,000 objects', t => {
  const policy = loadHosts(100)
  const [few, many] = [inventoryWith(10), inventoryWith(10_000)] as const
  const [base, loaded] = compare(policy, policy, [few, many])
  t.ok(loaded < base * 2, `${loaded.toFixed(1)} µs against ${base.toFixed(1)} µs`)
  t.end()
})
