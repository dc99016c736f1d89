import { entry, review, uid } from './review.ts'
import { allowed, denied, post, type Row } from './row.ts'

const evil = { hosts: ['evil.example.org'] }

/** Accounts that a caller may claim to be: ours, and those by which a cluster rules itself. */
const claimed = [
  'system:serviceaccount:sallyport:sallyport',
  'system:serviceaccount:sallyport-system:sallyport',
  'system:serviceaccount:kube-system:generic-garbage-collector',
  'system:kube-controller-manager',
  'system:admin',
]

/** Rows 78 to 80: what the request says of itself. */
export const requestRows: readonly Row[] = [
  {
    number: 78,
    title: '`dryRun: true`',
    cases: [
      post('the same verdict', entry(evil, { dryRun: true }), denied('"evil.example.org" is not approved')),
      post('and nothing is left of it', entry(evil), denied('"evil.example.org" is not approved')),
      post('no boolean', entry(evil, { dryRun: 'true' }), denied('"evil.example.org" is not approved')),
    ],
  },
  {
    number: 79,
    title: '`userInfo` claiming to be our own ServiceAccount from an untrusted caller',
    choice: 'a user name opens nothing by itself: the hosts of an entry are judged whoever writes it',
    cases: [
      ...claimed.map(username =>
        post(
          username,
          entry(evil, { userInfo: { username, groups: ['system:masters', 'platform-admins'] } }),
          denied('is not approved'),
        ),
      ),
      post('nobody', entry(evil, { userInfo: undefined }), denied('is not approved')),
      post('a list', entry(evil, { userInfo: ['system:masters'] }), denied('is not approved')),
    ],
  },
  {
    number: 80,
    title: 'review for a kind or subresource we never registered (`pods/exec`, `status`)',
    cases: [
      post('pods/exec', execution(), allowed),
      post(
        'a kind of another group',
        review('example.com', 'Widget', { spec: { hosts: ['evil.example.org'] } }),
        allowed,
      ),
      post('a status', review('example.com', 'Widget', {}, { subResource: 'status' }), allowed),
      post(
        'an unknown kind of Istio',
        review('networking.istio.io', 'Widget', {}),
        denied('no rule knows what a Widget'),
      ),
      post('an unknown group of Istio', review('widgets.istio.io', 'Widget', {}), allowed),
      post('an unknown version of a known kind', version('v9'), denied('is not approved')),
    ],
  },
]

function execution(): object {
  const object = { apiVersion: 'v1', kind: 'PodExecOptions', container: 'app', command: ['sh'] }
  return review('', 'PodExecOptions', {}, { uid, operation: 'CONNECT', subResource: 'exec', object, name: 'web' })
}

function version(name: string): object {
  const object = {
    apiVersion: `networking.istio.io/${name}`,
    kind: 'ServiceEntry',
    metadata: { name: 'stripe', namespace: 'shop' },
    spec: evil,
  }
  return entry({}, { kind: { group: 'networking.istio.io', version: name, kind: 'ServiceEntry' }, object })
}
