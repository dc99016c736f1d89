/** Compares our readings with the real ones, one after the other: `npm run conformance`. */
import { run as runInjection } from './injection.ts'
import { run as runInjector } from './injector.ts'
import { run as runIstio } from './istio.ts'
import { run as runMesh } from './mesh.ts'
import { run as runSamples } from './samples.ts'
import { run as runYaml } from './yaml.ts'

const totals = { passed: 0, failed: 0 }
for (const [name, run] of [
  ['YAML as Go reads it', runYaml],
  ['hosts, addresses, ports and names as Istio reads them', runIstio],
  ['injection and capture, as the API server, the injector and istio-iptables see them', runInjection],
  ['mesh and proxy configuration as Istio reads them', runMesh],
  ['pods as Istio’s injector leaves them', runInjector],
  ['the manifests that Istio ships', runSamples],
] as const) {
  console.log(`== ${name}`)
  const { passed, failed } = await run()
  totals.passed += passed
  totals.failed += failed
}
console.log(`${totals.passed} passed, ${totals.failed} failed`)
process.exitCode = totals.failed === 0 ? 0 : 1
