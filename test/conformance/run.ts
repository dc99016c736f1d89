/** Compares our readings with the real ones, one after the other: `npm run conformance`. */
import { run as runIstio } from './istio.ts'
import { run as runYaml } from './yaml.ts'

const totals = { passed: 0, failed: 0 }
for (const [name, run] of [
  ['YAML as Go reads it', runYaml],
  ['hosts, addresses, ports and names as Istio reads them', runIstio],
] as const) {
  console.log(`== ${name}`)
  const { passed, failed } = await run()
  totals.passed += passed
  totals.failed += failed
}
console.log(`${totals.passed} passed, ${totals.failed} failed`)
process.exitCode = totals.failed === 0 ? 0 : 1
