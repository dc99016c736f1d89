import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { makeAuthority } from '../../authority.ts'
import { binary, manifests } from './binaries.ts'
import type { Item } from './client.ts'
import type { Plane } from './plane.ts'
import { type Running, runCommand, start, waitFor } from './process.ts'
import { freePorts } from './setup.ts'

/** A real istiod beside the cluster, with its injector as an installation has it. */
export interface Istiod {
  /** Its mesh configuration, as the ConfigMap `istio` has it. */
  readonly mesh: string
  /** Returns the end of what it printed. */
  tail(): string
  /** Stops it and removes what it had installed; its namespace stays. */
  close(): Promise<void>
}

/** What istiod is installed with. */
export interface IstiodOptions {
  /** Settings of Istio's chart, as Helm's `--set` takes them. */
  readonly set?: readonly string[]
  /** Further environment of istiod. */
  readonly env?: Readonly<Record<string, string>>
}

const rootNamespace = 'istio-system'

/** What would write into the cluster, or wait for other replicas. */
const quiet: Readonly<Record<string, string>> = {
  ENABLE_LEADER_ELECTION: 'false',
  PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER: 'false',
  PILOT_ENABLE_GATEWAY_API_STATUS: 'false',
  PILOT_ENABLE_GATEWAY_API_GATEWAYCLASS_CONTROLLER: 'false',
  PILOT_ENABLE_IP_AUTOALLOCATE: 'false',
}

/** Starts istiod on 127.0.0.1 and installs its ConfigMaps and its injector's webhook; istio-system is made if need be. */
export async function startIstiod(plane: Plane, { set = [], env = {} }: IstiodOptions = {}): Promise<Istiod> {
  const folder = join(plane.folder, `istiod-${process.hrtime.bigint()}`)
  mkdirSync(folder, { recursive: true })
  const objects = await render(set)
  const [http = 0, webhook = 0, grpc = 0, secureGrpc = 0, monitoring = 0, ctrlz = 0] = await freePorts(6)

  const authority = await makeAuthority('istiod of e2e')
  const { cert, key } = await authority.issue({ names: ['127.0.0.1', `istiod.${rootNamespace}.svc`] })
  const mesh = dataOf(objects, 'istio', 'mesh')
  const files: Readonly<Record<string, string>> = {
    'tls.crt': cert,
    'tls.key': key,
    'ca.crt': authority.cert,
    // Where istiod looks for files before it looks for ConfigMaps, below the folder it runs in.
    'etc/istio/config/mesh': mesh,
    'var/lib/istio/inject/config': dataOf(objects, 'istio-sidecar-injector', 'config'),
    'var/lib/istio/inject/values': dataOf(objects, 'istio-sidecar-injector', 'values'),
  }
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), content, { mode: 0o600 })
  }

  const installed = objects.filter(({ kind }) => kind === 'ConfigMap')
  const webhooks = objects.filter(({ kind }) => kind === 'MutatingWebhookConfiguration')
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: rootNamespace } }
  await apply(plane, [namespace, ...installed])
  const running = await start({
    name: 'istiod',
    command: [
      binary('pilot-discovery'),
      'discovery',
      `--kubeconfig=${plane.kubeconfig}`,
      `--httpAddr=127.0.0.1:${http}`,
      `--httpsAddr=127.0.0.1:${webhook}`,
      `--grpcAddr=127.0.0.1:${grpc}`,
      `--secureGRPCAddr=127.0.0.1:${secureGrpc}`,
      `--monitoringAddr=127.0.0.1:${monitoring}`,
      '--ctrlz_address=127.0.0.1',
      `--ctrlz_port=${ctrlz}`,
      `--tlsCertFile=${join(folder, 'tls.crt')}`,
      `--tlsKeyFile=${join(folder, 'tls.key')}`,
      `--caCertFile=${join(folder, 'ca.crt')}`,
    ],
    log: join(folder, 'istiod.log'),
    cwd: folder,
    env: { ...quiet, POD_NAMESPACE: rootNamespace, POD_NAME: 'istiod-e2e', CLUSTER_ID: 'Kubernetes', ...env },
  })
  await readyOrStop(running, async () => (await fetch(`http://127.0.0.1:${http}/ready`)).ok)
  await apply(
    plane,
    webhooks.map(configuration => pointed(configuration, `https://127.0.0.1:${webhook}`, authority.cert)),
  )

  return {
    mesh,
    tail: running.tail,
    close: async () => {
      const removed = [...webhooks, ...installed].map(({ kind, metadata }) => `${kind?.toLowerCase()}/${metadata.name}`)
      await plane.kubectl(['-n', rootNamespace, 'delete', '--ignore-not-found', ...removed])
      await running.stop()
    },
  }
}

async function readyOrStop(running: Running, condition: () => Promise<boolean>): Promise<void> {
  try {
    await waitFor(condition, {
      what: 'istiod to be ready',
      hopeless: () => (running.alive() ? undefined : 'istiod ended'),
    })
  } catch (cause) {
    await running.stop()
    throw new Error(`${cause instanceof Error ? cause.message : cause}; its log ends with\n${running.tail()}`, {
      cause,
    })
  }
}

async function render(set: readonly string[]): Promise<readonly Item[]> {
  const settings = set.flatMap(setting => ['--set', setting])
  const chart = join(manifests().charts, 'istiod')
  const { code, stdout, stderr } = await runCommand([
    binary('helm'),
    'template',
    'istiod',
    chart,
    '--namespace',
    rootNamespace,
    ...settings,
  ])
  if (code !== 0) throw new Error(`helm template of Istio's chart failed: ${stderr}`)
  return parseAllDocuments(stdout)
    .map(document => document.toJS() as Item | null)
    .filter(item => item !== null)
}

function dataOf(objects: readonly Item[], name: string, key: string): string {
  const map = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name)
  const data = map?.['data'] as Readonly<Record<string, string>> | undefined
  const value = data?.[key]
  if (value === undefined) throw new Error(`Istio's chart has no ConfigMap ${name} with a key ${key}`)
  return value
}

/** Returns a webhook configuration that calls a URL; without the revision label, by which istiod would patch it. */
function pointed(configuration: Item, url: string, ca: string): Item {
  const { labels = {}, ...metadata } = configuration.metadata
  const { 'istio.io/rev': _, ...others } = labels
  const webhooks = configuration['webhooks'] as readonly Webhook[]
  return {
    ...configuration,
    metadata: { ...metadata, labels: others },
    webhooks: webhooks.map(webhook => ({
      ...webhook,
      clientConfig: {
        url: `${url}${webhook.clientConfig.service?.path ?? ''}`,
        caBundle: Buffer.from(ca).toString('base64'),
      },
    })),
  }
}

interface Webhook {
  readonly clientConfig: { readonly service?: { readonly path?: string } }
}

async function apply(plane: Plane, items: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  const { code, stderr } = await plane.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], { input })
  if (code !== 0) throw new Error(`kubectl apply failed: ${stderr}`)
}
