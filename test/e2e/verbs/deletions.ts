import assert from 'node:assert/strict'
import { mustPass, mustRefuse } from '../asked.ts'
import type { Case, Context } from '../context.ts'

const networking = '/apis/networking.k8s.io/v1/namespaces'
const entries = '/apis/networking.istio.io/v1/namespaces/shop/serviceentries'

/** Runs the cases of what is taken away. */
export async function deletions(context: Context, test: Case): Promise<void> {
  const lost = 'metadata.name: no other NetworkPolicy holds back what the pods of namespace "payments" send'
  await test('refused: taking away the NetworkPolicy that closes a namespace', async () => {
    await mustRefuse(
      context,
      { method: 'DELETE', path: `${networking}/payments/networkpolicies/default-deny-egress` },
      [lost],
    )
  })
  await test('refused: taking away all NetworkPolicies at once', async () => {
    await mustRefuse(context, { method: 'DELETE', path: `${networking}/payments/networkpolicies` }, [lost])
    assert.notEqual(await context.get(`${networking}/payments/networkpolicies/default-deny-egress`), undefined)
  })
  await test('passes: taking it away once another one holds the same pods', async () => {
    const spec = { podSelector: {}, policyTypes: ['Egress'] }
    const policies = `${networking}/payments/networkpolicies`
    await mustPass(context, { method: 'POST', path: policies, body: { metadata: { name: 'closed' }, spec } })
    const gone = { method: 'DELETE', path: `${policies}/default-deny-egress` }
    assert.deepEqual(await mustPass(context, gone), [])
  })
  await test('passes: taking away an entry, one or all of them', async () => {
    for (const name of ['one', 'two', 'three']) {
      const ports = [{ number: 443, name: 'tls', protocol: 'TLS' }]
      const spec = { hosts: [`${name}.s3.example.net`], exportTo: ['.'], resolution: 'DNS', ports }
      const body = { apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: { name }, spec }
      await mustPass(context, { method: 'POST', path: entries, body })
    }
    assert.deepEqual(await mustPass(context, { method: 'DELETE', path: `${entries}/one` }), [])
    assert.deepEqual(await mustPass(context, { method: 'DELETE', path: entries }), [])
    assert.deepEqual((await context.plane.call<Listed>('GET', entries)).items, [])
  })
  await test('passes: what the garbage collector takes away with its owner', async () => {
    const namespace = await context.freshNamespace()
    const owner = await context.plane.call('POST', `/api/v1/namespaces/${namespace}/configmaps`, {
      metadata: { name: 'owner' },
    })
    const { name, uid } = owner.metadata
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid }]
    await context.plane.call('POST', `${networking}/${namespace}/networkpolicies`, {
      metadata: { name: 'owned', ownerReferences },
      spec: { podSelector: {}, policyTypes: ['Egress'] },
    })
    await mustPass(context, { method: 'DELETE', path: `/api/v1/namespaces/${namespace}/configmaps/${name}` })
    const path = `${networking}/${namespace}/networkpolicies/owned`
    await context.waitFor(async () => (await context.get(path)) === undefined, { what: 'the garbage collector' })
    await context.mustKubectl(['delete', 'namespace', namespace, '--wait=false'])
  })
  await test('passes: a namespace that goes with the policy that closes it', async () => {
    const namespace = await context.freshNamespace()
    await context.plane.call('POST', `${networking}/${namespace}/networkpolicies`, {
      metadata: { name: 'closed' },
      spec: { podSelector: {}, policyTypes: ['Egress'] },
    })
    await context.mustKubectl(['delete', 'namespace', namespace, '--timeout=60s'])
  })
}

interface Listed {
  readonly items: readonly object[]
}
