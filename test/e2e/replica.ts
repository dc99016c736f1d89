import { once } from 'node:events'
import { request } from 'node:https'
import { json } from 'node:stream/consumers'
import type { Context } from './context.ts'
import { type Guard, guardName } from './guard.ts'
import type { Item } from './plane/client.ts'
import type { PodRun } from './plane/podrun.ts'
import type { Sample } from './samples.ts'

/** What a replica answered. */
export interface Verdict {
  readonly allowed: boolean
  readonly message: string
  readonly warnings: readonly string[]
}

/** Asks one replica whether an object may be made, past the API server. */
export type Ask = (pod: PodRun, object: Sample) => Promise<Verdict>

/** Returns what asks replicas, as the API server would: with the CA that the guard made. */
export async function createAsker({ plane }: Context, { namespace }: Guard): Promise<Ask> {
  const secret = await plane.call<Item & { readonly data: Readonly<Record<string, string>> }>(
    'GET',
    `/api/v1/namespaces/${namespace}/secrets/${guardName}-tls`,
  )
  const ca = Buffer.from(secret.data['ca.crt'] ?? '', 'base64').toString()
  return async (pod, object) => {
    const call = request({
      ...pod.reach(9443),
      path: '/validate?timeout=3s',
      method: 'POST',
      ca,
      servername: `${guardName}.${namespace}.svc`,
      agent: false,
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(5000),
    })
    call.end(JSON.stringify(reviewOf(object)))
    const [reply] = await once(call, 'response')
    const { response } = (await json(reply)) as { readonly response: Answer }
    return { allowed: response.allowed, message: response.status?.message ?? '', warnings: response.warnings ?? [] }
  }
}

interface Answer {
  readonly allowed: boolean
  readonly status?: { readonly message?: string }
  readonly warnings?: readonly string[]
}

function reviewOf(object: Sample): object {
  const { apiVersion, kind, metadata } = object
  const [version = '', group = ''] = apiVersion.split('/').reverse()
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'asked-directly',
      kind: { group, version, kind },
      name: metadata.name,
      namespace: metadata.namespace ?? '',
      operation: 'CREATE',
      userInfo: { username: 'dana@example.com', groups: ['system:authenticated'] },
      object,
      oldObject: null,
      dryRun: true,
    },
  }
}
