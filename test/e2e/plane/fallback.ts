import type { Item } from './client.ts'
import type { Plane } from './plane.ts'

/**
 * Makes a webhook configuration call a port of this machine instead of its Service: for machines without network
 * namespaces, where the API server reaches no pod. The name of the Service stays in the certificate's way: it must be
 * valid for 127.0.0.1 too.
 */
export async function useUrl(plane: Plane, kind: 'validating' | 'mutating', name: string, port: number): Promise<void> {
  const path = `/apis/admissionregistration.k8s.io/v1/${kind}webhookconfigurations/${name}`
  const configuration = await plane.call<Item & { readonly webhooks: readonly Webhook[] }>('GET', path)
  const webhooks = configuration.webhooks.map(webhook => {
    const { service, ...clientConfig } = webhook.clientConfig
    const url = `https://127.0.0.1:${port}${service?.path ?? ''}`
    return { ...webhook, clientConfig: service === undefined ? webhook.clientConfig : { ...clientConfig, url } }
  })
  await plane.call('PUT', path, { ...configuration, webhooks })
}

interface Webhook {
  readonly clientConfig: { readonly service?: { readonly path?: string } }
}
