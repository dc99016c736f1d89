import type { Case, Context } from './context.ts'
import { guardLogs, installGuard, refused, uninstallGuard } from './guard.ts'

export const name = 'the guard from its installation to its end'

export async function run(context: Context, test: Case): Promise<void> {
  let guard: Awaited<ReturnType<typeof installGuard>> | undefined
  await test('installed', async () => {
    guard = await installGuard(context, { mode: 'enforce' })
  })
  if (!guard) return
  const g = guard
  await test('refused', async () => {
    const ns = await context.freshNamespace()
    const text = await refused(context, [
      {
        apiVersion: 'networking.istio.io/v1',
        kind: 'ServiceEntry',
        metadata: { name: 'x', namespace: ns },
        spec: {
          hosts: ['api.example.com'],
          location: 'MESH_EXTERNAL',
          resolution: 'DNS',
          ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
        },
      },
    ])
    console.log(text)
  })
  for (const l of guardLogs(context, g)) console.log(JSON.stringify(l))
  await test('uninstalled', () => uninstallGuard(context, g))
}
