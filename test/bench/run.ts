/** Prints what approved hosts cost: `npm run bench`. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { inventoryWith, loadHosts, memoryOf, timeVerdict } from './hosts.ts'

setFlagsFromString('--expose-gc')
globalThis.gc = runInNewContext('gc')

const few = loadHosts(100)
const { policy: many, mebibytes, milliseconds } = memoryOf(() => loadHosts(100_000))
timeVerdict(few, undefined, 2)
timeVerdict(many, undefined, 2)
const base = timeVerdict(few)
const loaded = timeVerdict(many)
console.log(
  `100,000 approved hosts: loaded in ${milliseconds.toFixed(0)} ms, ${mebibytes.toFixed(1)} MiB held (limit 150)`,
)
console.log(
  `one verdict on 4 hosts: ${base.toFixed(1)} µs with 100 hosts, ${loaded.toFixed(1)} µs with 100,000: ${(loaded / base).toFixed(2)} times`,
)

const [small, large] = [inventoryWith(10), inventoryWith(10_000)].map(inventory => timeVerdict(few, inventory))
console.log(`the same among 40 and 40,000 objects: ${small?.toFixed(1)} µs and ${large?.toFixed(1)} µs`)
