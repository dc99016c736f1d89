import { deepEqual, equal } from 'node:assert/strict'
import type { Case, Context } from '../context.ts'
import { refused } from '../guard.ts'
import { deploymentOf, type PodShape, podOf } from './objects.ts'
import type { Place } from './place.ts'

/** What a pod asks for, and what is said of it: the path in the pod, why, and how to mend it. */
interface Refusal {
  readonly what: string
  readonly shape: PodShape
  readonly rule: string
  readonly path: string
  readonly why: string
  readonly fix: string
  /** Where the final pod shows it in another place. */
  readonly finalPath?: string
}

const capture = 'traffic.sidecar.istio.io'
const noProxy = 'the pod runs without a proxy, so nothing sees where its traffic goes'
const askForProxy = 'set it to "true", or name the service account "default" under spec.workloads.mayOptOut'

const refusals: readonly Refusal[] = [
  {
    what: 'all addresses past the proxy',
    shape: { annotations: { [`${capture}/excludeOutboundIPRanges`]: '0.0.0.0/0' } },
    rule: 'no-capture-bypass',
    path: `metadata.annotations["${capture}/excludeOutboundIPRanges"]`,
    why: 'connections to every public IPv4 address leave without passing the proxy',
    fix: 'keep only ranges of the cluster in the annotation, or have others accepted (params.excludableRanges)',
  },
  {
    what: 'a port past the proxy',
    shape: { annotations: { [`${capture}/excludeOutboundPorts`]: '443' } },
    rule: 'no-capture-bypass',
    path: `metadata.annotations["${capture}/excludeOutboundPorts"]`,
    why: 'connections to port 443 leave without passing the proxy, whatever the address',
    fix: 'take port 443 out of the annotation, or have the ports accepted (params.excludablePorts)',
  },
  {
    what: 'only some addresses through the proxy',
    shape: { annotations: { [`${capture}/includeOutboundIPRanges`]: '10.0.0.0/8' } },
    rule: 'no-capture-bypass',
    path: `metadata.annotations["${capture}/includeOutboundIPRanges"]`,
    why: 'only the listed ranges are captured, so connections to every public address leave without passing the proxy',
    fix: 'set the annotation to "*", or remove it',
  },
  {
    what: 'no redirection',
    shape: { annotations: { 'sidecar.istio.io/interceptionMode': 'NONE' } },
    rule: 'no-capture-bypass',
    path: 'metadata.annotations["sidecar.istio.io/interceptionMode"]',
    why: 'with interception mode NONE nothing redirects the pod’s traffic to its proxy',
    fix: 'remove the annotation: traffic is then redirected',
  },
  {
    what: 'an interface past the proxy',
    shape: { annotations: { [`${capture}/excludeInterfaces`]: 'eth1' } },
    rule: 'no-capture-bypass',
    path: `metadata.annotations["${capture}/excludeInterfaces"]`,
    why: 'all that leaves by eth1 passes by the proxy',
    fix: 'take eth1 out of the annotation, or have the interfaces accepted (params.excludableInterfaces)',
  },
  {
    what: 'no proxy, by label',
    shape: { labels: { 'sidecar.istio.io/inject': 'false' } },
    rule: 'require-injection',
    path: 'metadata.labels["sidecar.istio.io/inject"]',
    why: noProxy,
    fix: askForProxy,
  },
  {
    what: 'no proxy, by annotation',
    shape: { annotations: { 'sidecar.istio.io/inject': 'false' } },
    rule: 'require-injection',
    path: 'metadata.annotations["sidecar.istio.io/inject"]',
    why: noProxy,
    fix: askForProxy,
  },
  {
    what: 'the proxy of a gateway',
    shape: { annotations: { 'inject.istio.io/templates': 'gateway' } },
    rule: 'require-injection',
    path: 'metadata.annotations["inject.istio.io/templates"]',
    why: 'template "gateway" replaces the sidecar, and nothing redirects the pod’s traffic to it',
    fix: 'remove the annotation, or have the template accepted (params.templates)',
  },
  {
    what: 'a proxy of its own',
    shape: {
      spec: {
        containers: [
          { name: 'app', image: 'app:1' },
          { name: 'istio-proxy', image: 'registry.example/mine:1' },
        ],
      },
    },
    rule: 'no-forged-injection',
    path: 'spec.containers[1].image',
    finalPath: 'spec.initContainers[1].image',
    why: '"istio-proxy" would run registry.example/mine:1, not the organisation’s proxy, and what it sends is not captured',
    fix: 'write image: auto, so that the injector names its own, or have the image listed under spec.mesh.proxyImages',
  },
  {
    what: 'the network of its node',
    shape: { spec: { hostNetwork: true } },
    rule: 'no-host-network',
    path: 'spec.hostNetwork',
    why: 'the pod uses the network of its node, where no proxy sees its traffic',
    fix: 'remove spec.hostNetwork, or name the service account "default" under spec.workloads.mayUseHostNetwork',
  },
]

/** Shows which pods are refused, and in which words: where people write them, and where controllers make them. */
export async function runRefusals(context: Context, test: Case, { native, classic }: Place): Promise<void> {
  for (const { what, shape, rule, path, finalPath = path, why, fix } of refusals) {
    await test(`${what}: refused in a template and in a pod`, async () => {
      const refusal = (object: string, at: string): string =>
        textOf(object, [`${at}: ${why}`, `  fix: ${fix}`, `  ${rule}, https://sallyport.dev/rules#${rule}`])
      const ways = [deploymentOf('way-out', native, shape), podOf('way-out', native, shape)]
      const expected = [
        refusal(`Deployment ${native}/way-out`, `spec.template.${path}`),
        refusal(`Pod ${native}/way-out`, finalPath),
      ]
      equal(await refused(context, ways), expected.join(''))
    })
  }
  await test('an init container before redirection: refused in the classic layout, taken in the native one', async () => {
    const shape = { spec: { initContainers: [{ name: 'migrate', image: 'app:1' }] } }
    const text = await refused(context, [podOf('early', classic, shape)])
    const [, finding] = text.split('\n')
    equal(
      finding,
      'spec.initContainers[0]: init container "migrate" runs before "istio-init" redirects traffic, so what it sends is not captured',
    )
    await context.mustKubectl(['create', '--dry-run=server', '-f', '-'], JSON.stringify(podOf('early', native, shape)))
  })
  await test('nothing of what was refused is there', async () => {
    const found = await context.mustKubectl(['-n', native, 'get', 'deployment,pod', '-o=name'])
    deepEqual(
      found.split('\n').filter(name => name.includes('way-out')),
      [],
    )
  })
}

/** Returns what kubectl prints of a refusal with one finding. */
function textOf(object: string, lines: readonly string[]): string {
  const first = `admission webhook "pods.sallyport.dev" denied the request: 1 finding on ${object} (policy chart)`
  return `${[`Error from server (Forbidden): error when creating "STDIN": ${first}`, ...lines].join('\n')}\n`
}
