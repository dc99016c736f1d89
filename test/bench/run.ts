/** Prints what approved hosts cost: `npm run bench`. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadHosts, memoryOf, timeVerdict } from './hosts.ts'

setFlagsFromString('--expose-gc')
globalThis.gc = runInNewContext('gc')

const few = loadHosts(100)
const { policy: many, mebibytes, milliseconds } = memoryOf(() => loadHosts(100_000))
timeVerdict(few, 2)
timeVerdict(many, 2)
const base = timeVerdict(few)
const loaded = timeVerdict(many)
console.log(
  `100,000 approved hosts: loaded in ${milliseconds.toFixed(0)} ms, ${mebibytes.toFixed(1)} MiB held (limit 150)`,
)
console.log(
  `one verdict on 4 hosts: ${base.toFixed(1)} µs with 100 hosts, ${loaded.toFixed(1)} µs with 100,000: ${(loaded / base).toFixed(2)} times`,
)
