import { deepEqual, match, ok } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Case, Context } from '../context.ts'
import { admitted, refused } from '../guard.ts'
import { manifests } from '../plane/binaries.ts'
import type { Item } from '../plane/client.ts'
import { classicRevision, containersOf, type Place, type SeenPod } from './place.ts'

/** The class of Gateways whose proxies istiod makes. */
const gatewayClass = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'GatewayClass',
  metadata: { name: 'istio' },
  spec: { controllerName: 'istio.io/gateway-controller' },
}

/** Shows that the egress gateway itself may run where the platform keeps it, in each way of installing it. */
export async function runGateways(context: Context, test: Case, { egress, native }: Place): Promise<void> {
  await test('the egress gateway of the example, by the injector’s gateway template', async () => {
    const objects = exampleGateway(context, egress)
    await admitted(context, objects)
    await rolledOut(context, egress, 'istio-egressgateway')
    await isGatewayPod(context, egress, 'istio=egress-gateway')
  })
  await test('the egress gateway of Istio’s gateway chart', async () => {
    const { code, stdout, stderr } = await context.helm([
      'template',
      'egress-by-chart',
      join(manifests().charts, 'gateway'),
      '-n',
      egress,
      '--set',
      'service.type=ClusterIP,autoscaling.enabled=false',
    ])
    ok(code === 0, stderr)
    await context.mustKubectl(['-n', egress, 'apply', '-f', '-'], stdout)
    await rolledOut(context, egress, 'egress-by-chart')
    await isGatewayPod(context, egress, 'app=egress-by-chart')
  })
  await test('the same Deployment in a tenant’s namespace is refused', async () => {
    const [deployment] = exampleGateway(context, native).filter(({ kind }) => kind === 'Deployment')
    const expected =
      /^spec\.template\.metadata\.annotations\["inject\.istio\.io\/templates"\]: template "gateway" replaces the sidecar, and nothing redirects the pod’s traffic to it$/m
    match(await refused(context, [deployment ?? {}]), expected)
  })
  await test('the proxy that istiod makes for a Gateway of the Gateway API', async () => {
    await context.apply([gatewayClass])
    try {
      await admitted(context, [gatewayIn(egress)])
      await context.waitFor(() => context.get(`/apis/apps/v1/namespaces/${egress}/deployments/egress-istio`), {
        what: 'istiod to make the Deployment of the Gateway',
      })
      await rolledOut(context, egress, 'egress-istio')
      const [pod] = await podsOf(context, egress, 'gateway.networking.k8s.io/gateway-name=egress')
      deepEqual(pod && containersOf(pod), { init: [], main: ['istio-proxy'] })
    } finally {
      // Before its controller's class, or else nobody takes away what was made.
      await context.mustKubectl([
        '-n',
        egress,
        'delete',
        'gateways.gateway.networking.k8s.io',
        '--all',
        '--timeout=30s',
      ])
      await context.mustKubectl(['delete', 'gatewayclass', gatewayClass.metadata.name])
    }
  })
}

/** Returns the objects of the example's egress gateway, moved to a namespace. */
function exampleGateway({ root }: Context, namespace: string): readonly Item[] {
  const text = readFileSync(join(root, 'examples/cluster/egress-gateway.yaml'), 'utf8')
  return parseAllDocuments(text).map(document => {
    const object: Item = document.toJS()
    return { ...object, metadata: { ...object.metadata, namespace } }
  })
}

function gatewayIn(namespace: string): object {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'egress', namespace, labels: { 'istio.io/rev': classicRevision } },
    spec: {
      gatewayClassName: gatewayClass.metadata.name,
      listeners: [
        { name: 'tls', port: 443, protocol: 'TLS', hostname: 'api.stripe.com', tls: { mode: 'Passthrough' } },
      ],
    },
  }
}

async function rolledOut({ mustKubectl }: Context, namespace: string, name: string): Promise<void> {
  await mustKubectl(['-n', namespace, 'rollout', 'status', `deployment/${name}`, '--timeout=30s'])
}

/** Holds that a pod is what the gateway template makes: one proxy, with the injector's image, and nothing captured. */
async function isGatewayPod(context: Context, namespace: string, selector: string): Promise<void> {
  const [pod] = await podsOf(context, namespace, selector)
  ok(pod)
  deepEqual(containersOf(pod), { init: [], main: ['istio-proxy'] })
  match(pod.spec.containers[0]?.image ?? '', /\/proxyv2:/)
}

async function podsOf({ mustKubectl }: Context, namespace: string, selector: string): Promise<readonly SeenPod[]> {
  const printed = await mustKubectl(['-n', namespace, 'get', 'pods', '-l', selector, '-o=json'])
  return (JSON.parse(printed) as { readonly items: readonly SeenPod[] }).items
}
