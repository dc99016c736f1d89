import type { Context } from './context.ts'
import { deploymentOf } from './samples.ts'

const name = 'follows'
const namespace = 'kube-system'

/**
 * Has the real controllers follow an API server that was restarted. Each of their watches comes back by itself, after waits
 * that double up to half a minute (client-go's reflector), and until then a Deployment makes no pods, or those that are
 * ready are no endpoints: that is nothing the guard could be blamed for, so they are started anew.
 */
export async function controllersFollow({ apply, plane, mustKubectl, waitFor }: Context): Promise<void> {
  await plane.restartControllers()
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ port: 80 }] },
  }
  await apply([deploymentOf(namespace, name, 1), service])
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`
  const hasEndpoint = async (): Promise<boolean> => {
    const { body } = await plane.request('GET', `${slices}?labelSelector=kubernetes.io/service-name=${name}`)
    return JSON.stringify(body).includes('"ready":true')
  }
  await waitFor(hasEndpoint, { what: 'the controllers to follow the API server', seconds: 60, every: 200 })
  await mustKubectl(['-n', namespace, 'delete', `service/${name}`])
  await mustKubectl(['-n', namespace, 'delete', `deployment/${name}`, '--cascade=foreground', '--timeout=60s'])
}
