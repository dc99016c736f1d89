import { deepEqual, equal, match } from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Case, Context } from './context.ts'
import { type Guard, guardReady, installGuard, uninstallGuard, upgradeGuard } from './guard.ts'
import type { Ended } from './plane/process.ts'
import { approve, deploymentOf, entryFor, routeFor, type Sample } from './samples.ts'

/** What this suite shows. */
export const name = 'the chart of a tenant, which knows nothing of order'

const approved = 'approved.example.com'
const other = 'other.example.com'

/** Installs a tenant's chart in both modes, with a host that is approved and with one that is not. */
export async function run(context: Context, test: Case): Promise<void> {
  await context.istiod()
  const egress = await context.freshNamespace({}, 'egress')
  await context.apply(gatewayIn(egress))
  const values = {
    mode: 'enforce',
    shutdownDelay: 1,
    istio: { gatewayNamespaces: [egress] },
    policy: { files: { 'acme.json': factsOf(egress), 'hosts.json': approve(approved) } },
  }
  const guard = await installGuard(context, values)
  try {
    await runMode(context, test, 'enforce')
    await turnTo(context, guard, { ...values, mode: 'audit' })
    await runMode(context, test, 'audit')
  } finally {
    await uninstallGuard(context, guard)
    await context.mustKubectl(['delete', 'namespace', egress, '--wait=false'])
  }
}

const gateway = { istio: 'egressgateway' }

/** The egress gateway that traffic should take. */
function gatewayIn(namespace: string): readonly object[] {
  const metadata = { name: 'egress', namespace }
  const deployment = deploymentOf(namespace, 'egress', 0)
  return [
    deployment,
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: gateway, ports: [{ name: 'tls', port: 443 }] } },
  ]
}

/** What the policy says of it. */
function factsOf(namespace: string): string {
  const main = { name: 'main', namespace, service: 'egress', podLabels: gateway, gateways: ['egress'] }
  return JSON.stringify({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'EgressPolicy',
    metadata: { name: 'acme' },
    spec: {
      egressGateways: [{ ...main, ports: [{ number: 443, protocol: 'TLS' }] }],
      ranges: { pods: ['10.77.0.0/16', '10.78.0.0/16'], services: ['10.96.0.0/16'] },
    },
  })
}

async function turnTo(context: Context, guard: Guard, values: object): Promise<void> {
  await guardReady(context, await upgradeGuard(context, guard, values))
  // The old ones answer until they have ended.
  await context.waitFor(() => context.node.pods(guard.namespace).length === 2, { what: 'the old guards to end' })
}

async function runMode(context: Context, test: Case, mode: 'audit' | 'enforce'): Promise<void> {
  const namespace = await context.freshNamespace({ 'istio-injection': 'enabled' })
  const chart = writeChart(context.folder, mode, namespace)
  const install = (host: string): Promise<Ended> =>
    context.helm(['install', 'shop', chart, '-n', namespace, '--set', `host=${host}`])
  const upgrade = (host: string): Promise<Ended> =>
    context.helm(['upgrade', 'shop', chart, '-n', namespace, '--set', `host=${host}`])
  const hosts = async (): Promise<readonly unknown[]> => {
    const path = `/apis/networking.istio.io/v1/namespaces/${namespace}/serviceentries`
    const { items } = await context.plane.call<{ readonly items: readonly { readonly spec: EntrySpec }[] }>('GET', path)
    return items.flatMap(({ spec }) => spec.hosts)
  }

  await test(`${mode}: all of it may be tried before any of it is there, and the direct way is warned about`, async () => {
    const { code, stderr } = await dryRun(context, namespace, approved)
    equal(code, 0, stderr)
    deepEqual(stderr.trimEnd().split('\n'), [
      'Warning: spec.hosts[0]: this route for "approved.example.com" come…s, and does not lead to the egress gateway (no-route-override)',
      'Warning: spec.tls[0].route[0].destination.host: not judged: whether this rou… pass by the egress gateway (require-approved-hosts)',
      'Warning: spec.hosts[0]: nothing leads "approved.example.com" to …y, so it leaves directly from every pod (require-approved-hosts)',
    ])
  })
  await test(`${mode}: a chart for an approved host is installed, whatever the order of its objects`, async () => {
    const { code, stderr } = await install(approved)
    equal(code, 0, stderr)
    deepEqual(await hosts(), [approved])
  })
  if (mode === 'enforce') {
    await test('enforce: what is tried with a host that is not approved is refused with the reason', async () => {
      const { code, stderr } = await dryRun(context, namespace, other)
      equal(code, 1)
      match(stderr, /admission webhook "routes\.sallyport\.dev" denied the request/)
      match(stderr, /spec\.hosts\[0\]: host "other\.example\.com" is not approved/)
    })
    await test('enforce: an upgrade to such a host fails and changes nothing; the next one works', async () => {
      const { code, stderr } = await upgrade(other)
      equal(code, 1)
      match(stderr, /host "other\.example\.com" is not approved, and this entry would let workloads reach it/)
      deepEqual(await hosts(), [approved])
      const again = await upgrade(approved)
      equal(again.code, 0, again.stderr)
    })
  } else {
    await test('audit: a host that is not approved is installed, and warned about', async () => {
      const tried = await dryRun(context, namespace, other)
      equal(tried.code, 0, tried.stderr)
      match(tried.stderr, /Warning: audit: .*ServiceEntry/)
      const { code, stderr } = await upgrade(other)
      equal(code, 0, stderr)
      deepEqual(await hosts(), [other])
    })
  }
  await test(`${mode}: it is uninstalled`, async () => {
    const { code, stderr } = await context.helm(['uninstall', 'shop', '-n', namespace])
    equal(code, 0, stderr)
    deepEqual(await hosts(), [])
    await context.mustKubectl(['delete', 'namespace', namespace, '--wait=false'])
  })
}

interface EntrySpec {
  readonly hosts: readonly string[]
}

/** What a tenant deploys: an application, the host that it needs, and how calls get there. */
function objectsFor(namespace: string, host: string): readonly Sample[] {
  return [
    routeFor(namespace, host, 'outside'),
    deploymentOf(namespace, 'shop', 0),
    entryFor(namespace, host, 'outside'),
  ]
}

/** Sends all objects of the chart as Flux does before it applies a stage: none of them is there yet. */
function dryRun(context: Context, namespace: string, host: string): Promise<Ended> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objectsFor(namespace, host) })
  const args = ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '--field-manager=flux', '-f', '-']
  return context.plane.kubectl(args, { input, user: 'gitops' })
}

/** Writes a chart, one template for each object, and returns its folder. */
function writeChart(folder: string, mode: string, namespace: string): string {
  const chart = join(folder, `shop-${mode}`)
  mkdirSync(join(chart, 'templates'), { recursive: true })
  writeFileSync(join(chart, 'Chart.yaml'), JSON.stringify({ apiVersion: 'v2', name: 'shop', version: '1.0.0' }))
  for (const object of objectsFor(namespace, '{{ .Values.host }}')) {
    writeFileSync(join(chart, 'templates', `${object.kind}.yaml`), JSON.stringify(object))
  }
  return chart
}
