import { sameJson } from '../../core/change.ts'
import { machineKind } from '../../core/machine.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { isController } from '../../core/writer.ts'
import { dig, field, list } from '../../istio/json.ts'
import { entryKind } from '../../istio/kinds.ts'
import { annotationsOf } from '../../istio/workload.ts'

type Message = 'registration-annotation' | 'status-address'

type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'require-controller-writer',
  summary: 'Require that what istiod keeps books in is written by istiod',
  risk: [
    'istiod writes into objects of tenants: the addresses that it gives to the hosts of a ServiceEntry stand in its status,',
    'and annotations of a WorkloadEntry say which control plane a machine is connected to. Whoever forges them moves the',
    'address that clients are told, or has istiod clean up what it should keep. Judged is who asks: not in a scan, and in',
    '`check` only with `--as`; others than istiod stand under spec.identities.controllers.',
  ].join(' '),
  team: [
    'Nobody writes these but istiod, unless an object was restored from a backup with all its annotations. Leave them',
    'out; istiod writes them again.',
  ].join(' '),
  judges: [entryKind, machineKind],
  reads: [],
  facts: ['identities', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform'],
  outsideLaw: true,
  params: {},
  messages: {
    'registration-annotation': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'by "{value}" istiod keeps which machines are connected, and "{user}" is no controller of the mesh',
      fix: 'have istiod write the annotation, or add the user to spec.identities.controllers',
      threats: ['we/auto-registered'],
    },
    'status-address': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'clients are told the addresses in the status for the hosts, and "{user}" is no controller of the mesh',
      fix: 'have istiod write the status, or add the user to spec.identities.controllers',
      threats: ['se/status-address'],
    },
  },
  check(subject, tools) {
    const { requester } = subject
    if (isController(requester, tools.facts) || requester === undefined) return
    if (subject.kind === machineKind) judgeAnnotations(subject, requester.username, tools)
    else if (subject.subresource === 'status') judgeStatus(subject, requester.username, tools)
  },
})

/** Istio: pilot/pkg/autoregistration/controller.go. */
const registration = [
  'istio.io/autoRegistrationGroup',
  'istio.io/workloadController',
  'istio.io/connectedAt',
  'istio.io/disconnectedAt',
]

/** To take one away is a change, too; what others wrote may stay. */
function judgeAnnotations({ object, oldObject }: Subject, user: string, tools: Judge): void {
  const before = annotationsOf(oldObject)
  const after = annotationsOf(object)
  for (const key of registration) {
    if (before.get(key) === after.get(key)) continue
    const path = ['metadata', 'annotations']
    tools.report('registration-annotation', {
      path: after.has(key) ? [...path, key] : path,
      value: key,
      slots: { user },
    })
  }
}

/** Istio: pilot/pkg/networking/serviceentry/ip_autoallocation.go (GetHostAddressesFromConfig). */
function judgeStatus({ object, oldObject }: Subject, user: string, tools: Judge): void {
  const [before, after] = [oldObject, object].map(entry => list(dig(entry, 'status', 'addresses')))
  if (sameJson(before, after)) return
  const isThere = field(field(object, 'status'), 'addresses') !== undefined
  tools.report('status-address', { path: isThere ? ['status', 'addresses'] : ['status'], slots: { user } })
}
