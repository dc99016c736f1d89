import { field, list } from '../../istio/json.ts'

/** Something that a role permits, and what it takes: any of the verbs on any of the resources. */
interface Power {
  /** A clause behind "may". */
  readonly what: string
  readonly group: string
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  /** Whether a role names objects of others by `resourceNames` only, which gives no power over the guard. */
  readonly isOfNames?: true
}

const write = ['create', 'update', 'patch', 'delete', 'deletecollection']

/** Powers that undo the guard where they hold for the whole cluster. */
const clusterPowers: readonly Power[] = [
  {
    what: 'change webhook configurations and admission policies',
    group: 'admissionregistration.k8s.io',
    resources: [
      'mutatingwebhookconfigurations',
      'validatingwebhookconfigurations',
      'mutatingadmissionpolicies',
      'mutatingadmissionpolicybindings',
      'validatingadmissionpolicies',
      'validatingadmissionpolicybindings',
    ],
    verbs: write,
    isOfNames: true,
  },
  { what: 'act as others', group: '', resources: ['users', 'groups', 'serviceaccounts'], verbs: ['impersonate'] },
  { what: 'act as any service account', group: '', resources: ['serviceaccounts/token'], verbs: ['create'] },
  {
    what: 'give itself any right',
    group: 'rbac.authorization.k8s.io',
    resources: ['clusterroles', 'roles'],
    verbs: ['bind', 'escalate'],
  },
  {
    what: 'enter any pod',
    group: '',
    resources: ['pods/exec', 'pods/attach', 'pods/ephemeralcontainers'],
    verbs: ['create', 'get', 'update', 'patch'],
  },
  {
    what: 'reach into nodes',
    group: '',
    resources: ['nodes/proxy'],
    verbs: ['create', 'get', 'update', 'patch', 'delete'],
  },
  { what: 'change nodes', group: '', resources: ['nodes'], verbs: write },
]

/** Powers that reach the mesh in a namespace of the platform. */
const platformPowers: readonly Power[] = [
  {
    what: 'enter pods',
    group: '',
    resources: ['pods/exec', 'pods/attach', 'pods/ephemeralcontainers'],
    verbs: ['create', 'get', 'update', 'patch'],
  },
  { what: 'change ConfigMaps', group: '', resources: ['configmaps'], verbs: write, isOfNames: true },
  { what: 'change Secrets', group: '', resources: ['secrets'], verbs: write, isOfNames: true },
  { what: 'change Services', group: '', resources: ['services'], verbs: write, isOfNames: true },
  { what: 'make pods', group: '', resources: ['pods'], verbs: ['create'] },
  {
    what: 'change workloads',
    group: 'apps',
    resources: ['deployments', 'daemonsets', 'statefulsets'],
    verbs: write,
    isOfNames: true,
  },
  { what: 'change what Istio reads', group: 'networking.istio.io', resources: ['*'], verbs: write },
  { what: 'act as its service accounts', group: '', resources: ['serviceaccounts/token'], verbs: ['create'] },
]

/** Returns what the rules of a role permit that matters to the guard, in a fixed order. */
export function powersOf(rules: readonly unknown[], isClusterWide: boolean): readonly string[] {
  const powers = isClusterWide ? clusterPowers : platformPowers
  return powers.filter(power => rules.some(rule => grants(rule, power))).map(({ what }) => what)
}

function grants(rule: unknown, { group, resources, verbs, isOfNames }: Power): boolean {
  const names = list(field(rule, 'resourceNames'))
  if (isOfNames === true && names.length > 0 && !names.some(isOfMesh)) return false
  return has(rule, 'apiGroups', [group]) && has(rule, 'verbs', verbs) && list(field(rule, 'resources')).some(isWanted)

  function isWanted(resource: unknown): boolean {
    if (resource === '*' || resources.includes('*')) return true
    return resources.some(
      wanted => resource === wanted || (wanted.includes('/') && resource === `*/${wanted.split('/')[1]}`),
    )
  }
}

function has(rule: unknown, key: string, values: readonly string[]): boolean {
  return list(field(rule, key)).some(value => value === '*' || values.some(wanted => wanted === value))
}

/** Objects of the mesh and of the guard are named so by their charts. */
function isOfMesh(name: unknown): boolean {
  return typeof name === 'string' && /^(istio|istiod|sallyport|cacerts)(-|$)/.test(name)
}
