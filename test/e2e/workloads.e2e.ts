import type { Case, Context } from './context.ts'
import { installGuard, uninstallGuard } from './guard.ts'
import { type Istiod, startIstiod } from './plane/istiod.ts'
import { runControllers } from './workloads/controllers.ts'
import { runGateways } from './workloads/gateways.ts'
import { runInjector, runOlderWorkload } from './workloads/injector.ts'
import { deploymentOf } from './workloads/objects.ts'
import { classicRevision, type Place } from './workloads/place.ts'
import { runRefusals } from './workloads/refusals.ts'

export const name = 'pods of real controllers, through Istio’s injector and the guard'

/** Shows that what should run gets its proxy and runs, and that what would leave past it does not start. */
export async function run(context: Context, test: Case): Promise<void> {
  const [, classicIstiod] = await Promise.all([context.istiod(), startClassic(context)])
  try {
    await runWith(context, test)
  } finally {
    await endClassic(context, classicIstiod)
  }
}

async function runWith(context: Context, test: Case): Promise<void> {
  const [native, classic, bare, egress] = await Promise.all([
    context.freshNamespace({ 'istio-injection': 'enabled' }, 'native'),
    context.freshNamespace({ 'istio.io/rev': classicRevision }, 'classic'),
    context.freshNamespace({}, 'bare'),
    context.freshNamespace({}, 'egress'),
  ])
  const wayOut = { annotations: { 'traffic.sidecar.istio.io/excludeOutboundIPRanges': '0.0.0.0/0' } }
  await context.apply([deploymentOf('older', native, wayOut)])
  await context.mustKubectl(['-n', native, 'rollout', 'status', 'deployment/older', '--timeout=30s'])
  const guard = await installGuard(context, {
    mode: 'enforce',
    shutdownDelay: 1,
    platformIdentities: { groups: ['system:masters'] },
    istio: { revisions: ['default', classicRevision], gatewayNamespaces: [egress] },
  })
  const place: Place = { guard, native, classic, bare, egress }
  try {
    await runOlderWorkload(context, test, place)
    await runControllers(context, test, place)
    await runRefusals(context, test, place)
    await runInjector(context, test, place)
    await runGateways(context, test, place)
    await test('namespaces full of workloads are deleted while the guard guards', async () => {
      await context.mustKubectl(['delete', 'namespace', native, classic, bare, egress, '--timeout=90s'])
    })
  } finally {
    await uninstallGuard(context, guard)
  }
}

/** Starts the control plane of a second revision: sidecars of the classic layout, and proxies for Gateways. */
function startClassic({ plane }: Context): Promise<Istiod> {
  return startIstiod(plane, {
    revision: classicRevision,
    env: {
      ENABLE_NATIVE_SIDECARS: 'false',
      PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER: 'true',
    },
  })
}

async function endClassic({ mustKubectl }: Context, istiod: Istiod): Promise<void> {
  await istiod.close()
  await mustKubectl(['-n', 'istio-system', 'delete', 'configmap', '-l', `istio.io/rev=${classicRevision}`])
}
