import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Context } from './context.ts'
import { type Guard, installGuard, uninstallGuard } from './guard.ts'
import type { Item } from './plane/client.ts'

/** The organisation of the examples, in the cluster, with the guard over it. */
export interface Acme {
  readonly guard: Guard
  /** Takes away all that it brought. */
  close(): Promise<void>
}

/** Somebody of acme's platform, who may do everything. */
const platform = { user: 'olga', groups: ['platform-admins', 'system:masters'] } as const

/** Makes kubectl speak as somebody of acme's platform. */
export const asPlatform: readonly string[] = [
  `--as=${platform.user}`,
  ...platform.groups.map(group => `--as-group=${group}`),
]

/** Makes Helm speak as somebody of acme's platform. */
export const helmAsPlatform: readonly string[] = [
  `--kube-as-user=${platform.user}`,
  ...platform.groups.map(group => `--kube-as-group=${group}`),
]

const namespaces = ['shop', 'payments', 'legacy', 'istio-egress'] as const
const meshPath = '/api/v1/namespaces/istio-system/configmaps/istio'

/** Returns the values with which acme installs the guard. */
export function acmeValues({ root }: Pick<Context, 'root'>, values: object = {}): object {
  const policy = readFileSync(join(root, 'examples/policy/acme.yaml'), 'utf8')
  return {
    mode: 'enforce',
    shutdownDelay: 1,
    platformIdentities: { groups: ['platform-admins'] },
    istio: { gatewayNamespaces: ['istio-egress'] },
    policy: { files: { 'acme.yaml': policy.replaceAll('2027-06-30', daysFromNow(200)) } },
    ...values,
  }
}

/** Returns a date as policies have it. */
export function daysFromNow(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
}

/** Builds examples/cluster with the guard over it: what the platform has must pass. */
export async function startAcme(
  context: Context,
  values: object = {},
  beside?: Parameters<typeof installGuard>[2],
): Promise<Acme> {
  const { plane, mustKubectl } = context
  const cluster = (name: string): string => join(context.root, `examples/cluster/${name}.yaml`)
  await context.istiod()
  const installed = await plane.call('GET', meshPath)
  await mustKubectl(['apply', '--server-side', '-f', cluster('namespaces')])
  await setMesh(context, { ...installed, data: exampleMesh(cluster('istio'))['data'] })
  const guard = await installGuard(context, acmeValues(context, values), beside)
  const rest = ['network', 'egress-gateway', 'ingress-gateway', 'apps'].flatMap(name => ['-f', cluster(name)])
  await mustKubectl([...asPlatform, 'apply', '--server-side', ...rest])
  return {
    guard,
    close: async () => {
      await uninstallGuard(context, guard)
      await setMesh(context, installed)
      await Promise.all([
        mustKubectl(['delete', '--ignore-not-found', '-f', cluster('ingress-gateway')]),
        mustKubectl(['delete', 'namespace', '--timeout=90s', ...namespaces]),
      ])
    },
  }
}

/** Server-side, since kubectl prints the whole patch of what it applies otherwise. */
async function setMesh({ mustKubectl }: Context, { metadata: { name, namespace, labels }, data }: Item): Promise<void> {
  const mesh = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, labels }, data }
  await mustKubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], JSON.stringify(mesh))
}

/** The mesh's ConfigMap; the injector's stays as Istio's own chart has it, since a real one injects. */
function exampleMesh(file: string): Item {
  const documents = parseAllDocuments(readFileSync(file, 'utf8')).map(document => document.toJS() as Item)
  const mesh = documents.find(({ metadata }) => metadata.name === 'istio')
  if (mesh === undefined) throw new Error(`${file} has no mesh configuration`)
  return mesh
}
