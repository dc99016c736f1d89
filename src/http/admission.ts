import type { Evaluation } from '../core/evaluate.ts'
import { type Cure, compareText, type EnforcementAction, effectOf } from '../core/finding.ts'
import { groupOf, kindOf } from '../core/kind.ts'
import type { PatchOperation } from '../core/mutate.ts'
import type { MadeMutation } from '../core/mutation.ts'
import type { Policy } from '../core/policy.ts'
import type { Operation, Phase, Requester, Review } from '../core/review.ts'
import { printable, shorten } from '../core/text.ts'
import type { Evidence } from '../core/verdict.ts'
import { dig, field, isFields, list, text } from '../istio/json.ts'
import { denyText, malformedText } from '../report/deny.ts'
import { auditLines, warningLimit, warningLines } from '../report/warning.ts'

/** The wire envelope that we read and write; the API server asks for one it was registered with. */
const wire = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' } as const

/** What became of a request body. */
export type ReadReview =
  | { readonly ok: true; readonly review: Review }
  /** No API server sends this: HTTP 400. */
  | { readonly ok: false; readonly reply: 'not-a-review' }
  /** An AdmissionReview whose object cannot be judged: refused with its own uid. */
  | { readonly ok: false; readonly reply: 'refused'; readonly uid: string; readonly code: 400; readonly why: string }

/** The AdmissionReview that answers. */
export interface AdmissionReply {
  readonly apiVersion: typeof wire.apiVersion
  readonly kind: typeof wire.kind
  readonly response: {
    readonly uid: string
    readonly allowed: boolean
    readonly status?: { readonly code: number; readonly reason?: string; readonly message: string }
    readonly patchType?: 'JSONPatch'
    /** A JSON Patch in base64. */
    readonly patch?: string
    readonly warnings?: readonly string[]
    readonly auditAnnotations?: Readonly<Record<string, string>>
  }
}

const readableUid = /^[\x20-\x7e]{1,128}$/

/**
 * Reads an AdmissionReview. Own properties only; nothing is copied, coerced or filled in: the object is judged as it
 * would be stored. Kind, namespace and name come from the request, which the API server fills in; an object that says
 * otherwise is refused.
 */
export function readReview(body: unknown, phase: Phase = 'final'): ReadReview {
  const request = field(body, 'request')
  const uid = text(field(request, 'uid'))
  const isReview = field(body, 'apiVersion') === wire.apiVersion && field(body, 'kind') === wire.kind
  if (!isReview || uid === undefined || !readableUid.test(uid)) return { ok: false, reply: 'not-a-review' }
  const review = readRequest(request, uid, phase)
  if (typeof review !== 'string') return { ok: true, review }
  return { ok: false, reply: 'refused', uid, code: 400, why: review }
}

/** Returns the review, or why there is none. */
function readRequest(request: unknown, uid: string, phase: Phase): Review | string {
  const operation = operationOf(field(request, 'operation'))
  if (operation === undefined) return 'request.operation is none of CREATE, UPDATE, DELETE and CONNECT'
  const group = text(dig(request, 'kind', 'group'))
  const kind = text(dig(request, 'kind', 'kind'))
  if (group === undefined || kind === undefined || kind === '') return 'request.kind has no group and kind'
  const subresource = optionalText(request, 'subResource')
  const namespace = optionalText(request, 'namespace')
  const givenName = optionalText(request, 'name')
  if (subresource === undefined) return 'request.subResource is no text'
  if (namespace === undefined) return 'request.namespace is no text'
  if (givenName === undefined) return 'request.name is no text'

  const objects = { object: field(request, 'object') ?? undefined, oldObject: field(request, 'oldObject') ?? undefined }
  const judged = operation === 'DELETE' ? 'oldObject' : 'object'
  if (objects[judged] === undefined) return `${operation} without request.${judged}`
  const envelope: Envelope = { operation, group, kind, subresource, namespace, name: givenName }
  for (const place of ['object', 'oldObject'] as const) {
    const fault = objects[place] === undefined ? undefined : faultOf(objects[place], envelope)
    if (fault !== undefined) return `request.${place}${fault}`
  }
  const { object, oldObject } = objects
  const name = givenName || nameOf(object) || nameOf(oldObject)
  return {
    uid,
    operation,
    kind: kindOf(group, kind),
    ref: { group, kind, namespace: isNamespace(envelope) ? '' : namespace, name },
    subresource,
    object: isFields(object) ? object : undefined,
    oldObject: isFields(oldObject) ? oldObject : undefined,
    requester: readRequester(field(request, 'userInfo')),
    dryRun: field(request, 'dryRun') === true,
    phase,
  }
}

/** What the request says about its object. */
interface Envelope {
  readonly operation: Operation
  readonly group: string
  readonly kind: string
  readonly subresource: string
  readonly namespace: string
  readonly name: string
}

/**
 * Returns what is wrong between an object and the request around it, to be read after the object's place, or undefined.
 *
 * | object                                   | metadata                                                         |
 * |------------------------------------------|------------------------------------------------------------------|
 * | options of CONNECT, some virtual objects | none: fine                                                       |
 * | Namespace                                | no namespace, while the request names the Namespace itself: fine |
 * | of a subresource                         | may leave out namespace and name                                 |
 * | any other                                | namespace and, where both are there, name as in the request      |
 */
function faultOf(object: unknown, envelope: Envelope): string | undefined {
  if (!isFields(object)) return ' is no object'
  const said = kindOf(groupOf(text(field(object, 'apiVersion')) ?? ''), text(field(object, 'kind')) ?? '')
  const asked = kindOf(envelope.group, envelope.kind)
  if (said !== asked) return ` is of kind "${shown(said)}", request.kind says "${shown(asked)}"`
  const metadata = field(object, 'metadata')
  if (metadata === undefined && envelope.operation !== 'UPDATE') return undefined
  if (!isFields(metadata)) return '.metadata is no object'
  if (envelope.operation === 'CONNECT' || isNamespace(envelope)) return undefined
  const namespace = field(metadata, 'namespace') ?? ''
  const name = field(metadata, 'name') ?? ''
  const onlyPart = envelope.subresource !== ''
  if (namespace !== envelope.namespace && !(onlyPart && namespace === '')) {
    return `.metadata.namespace is not request.namespace, "${shown(envelope.namespace)}"`
  }
  if (name !== envelope.name && name !== '' && envelope.name !== '' && !onlyPart) {
    return `.metadata.name is not request.name, "${shown(envelope.name)}"`
  }
  return undefined
}

function isNamespace({ group, kind }: { readonly group: string; readonly kind: string }): boolean {
  return group === '' && kind === 'Namespace'
}

function operationOf(value: unknown): Operation | undefined {
  return value === 'CREATE' || value === 'UPDATE' || value === 'DELETE' || value === 'CONNECT' ? value : undefined
}

/** Returns the text, empty where there is none, undefined where it is something else. */
function optionalText(request: unknown, key: string): string | undefined {
  const value = field(request, key)
  return value === undefined || value === null ? '' : text(value)
}

function nameOf(object: unknown): string {
  return text(dig(object, 'metadata', 'name')) ?? ''
}

/** A request without a user is nobody's, which is not the same as a manifest that nobody asks for. */
function readRequester(userInfo: unknown): Requester {
  const groups = list(field(userInfo, 'groups')).filter(group => typeof group === 'string')
  return { username: text(field(userInfo, 'username')) ?? '', groups }
}

function shown(value: string): string {
  return printable(shorten(value, 100))
}

/** What becomes of a refusal. */
export type Mode =
  /** It is one. */
  | 'enforce'
  /** It is told as warnings: nothing is refused. */
  | 'audit'

/**
 * Returns the answer to a judged review: verdict, text of a refusal, warnings, audit annotations. What is refused in mode
 * `audit` is admitted, with the reasons as warnings; the annotations say the verdict all the same.
 */
export function writeReply(
  evaluation: Evaluation,
  review: Review,
  policy: Policy,
  mode: Mode = 'enforce',
): AdmissionReply {
  const { uid, ref } = review
  const allowed = evaluation.verdict !== 'deny' || mode === 'audit'
  const warnings = mode === 'audit' ? auditLines(ref, policy.name, evaluation) : warningLines(evaluation)
  return {
    ...wire,
    response: {
      uid,
      allowed,
      ...(allowed ? {} : { status: statusOf(evaluation, review, policy) }),
      ...(warnings.length === 0 ? {} : { warnings }),
      auditAnnotations: { ...annotationsOf(evaluation, policy), ...(mode === 'audit' ? { mode } : {}) },
    },
  }
}

/** What the mutating endpoint does to a pod. */
export interface Patched {
  readonly patch: readonly PatchOperation[]
  readonly made: readonly MadeMutation[]
  readonly cured: readonly Cure[]
}

/**
 * Returns the answer of the mutating endpoint: the patch, absent where nothing is to be changed, which mutations made it,
 * and what they cure. It never refuses: whether the pod may run is judged when it is final.
 */
export function writePatch(uid: string, { patch, made, cured }: Patched, revision: string): AdmissionReply {
  if (patch.length === 0) return { ...wire, response: { uid, allowed: true } }
  const names = new Set(cured.map(({ rule, message }) => `${rule}/${message}`))
  return {
    ...wire,
    response: {
      uid,
      allowed: true,
      patchType: 'JSONPatch',
      patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
      auditAnnotations: {
        mutations: made.map(({ id }) => id).join(','),
        ...(names.size === 0 ? {} : { cured: [...names].sort(compareText).join(',') }),
        policy: revision,
      },
    },
  }
}

/** Returns the refusal of a review whose object cannot be judged; in mode `audit` it is a warning. */
export function writeRefusal(uid: string, code: number, message: string, mode: Mode = 'enforce'): AdmissionReply {
  if (mode === 'enforce') return { ...wire, response: { uid, allowed: false, status: { code, message } } }
  const warning = shorten(`audit: reason to refuse: ${printable(message)}`, warningLimit)
  return { ...wire, response: { uid, allowed: true, warnings: [warning], auditAnnotations: { verdict: 'deny', mode } } }
}

/**
 * With a `reason` kubectl hides text or webhook name of code 422 ("The Pod is invalid"), so only findings carry one.
 * An object that is malformed and has findings is told both.
 */
function statusOf(evaluation: Evaluation, review: Review, policy: Policy): { code: number; message: string } {
  const { ref, uid } = review
  const malformed = evaluation.malformed.filter(fault => fault.enforcementAction === 'deny')
  const refused = { uid, ref, policy: policy.name }
  if (malformed.length === 0) return { code: 403, ...forbidden, message: denyText(refused, evaluation) }
  const first = malformedText(ref, malformed)
  const findings = evaluation.findings.some(finding => effectOf(finding) === 'deny')
  return { code: 422, message: findings ? `${first}\n${denyText(refused, evaluation)}` : first }
}

const forbidden = { reason: 'Forbidden' } as const

/** Rules named in one audit annotation at most. */
const ruleLimit = 40

function annotationsOf(evaluation: Evaluation, policy: Policy): Record<string, string> {
  const outcomes = ruleOutcomes(evaluation)
  const rules = outcomes.slice(0, ruleLimit).map(({ id, enforcementAction }) => `${id}=${enforcementAction}`)
  const left = outcomes.length - rules.length
  const exemptions = exemptionNames(evaluation)
  return {
    verdict: evaluation.verdict,
    ...(rules.length === 0 ? {} : { rules: [...rules, ...(left > 0 ? [`and ${left} more`] : [])].join(',') }),
    policy: policy.revision,
    ...(exemptions === undefined ? {} : { exemption: exemptions }),
  }
}

/** A rule that had something to say, and the strongest of what was done about it. */
export interface RuleOutcome {
  readonly id: string
  readonly enforcementAction: 'deny' | 'warn' | 'dryrun' | 'exempt'
}

const strength: readonly RuleOutcome['enforcementAction'][] = ['deny', 'warn', 'dryrun', 'exempt']

/** Returns the rules that had something to say, in order of their ids; a preexisting finding counts as the warning it is. */
export function ruleOutcomes(evidence: Evidence): readonly RuleOutcome[] {
  const done = new Map<string, RuleOutcome['enforcementAction']>()
  const add = (rule: string, action: EnforcementAction | 'exempt' | 'allow'): void => {
    if (action === 'off' || action === 'allow') return
    const before = done.get(rule)
    if (before === undefined || strength.indexOf(action) < strength.indexOf(before)) done.set(rule, action)
  }
  for (const finding of evidence.findings) add(finding.rule, finding.exemption ? 'exempt' : effectOf(finding))
  for (const gap of evidence.notJudged) add(gap.rule, gap.onUnknown)
  for (const error of evidence.ruleErrors) add(error.rule, error.enforcementAction)
  for (const fault of evidence.malformed) add(fault.rule, fault.enforcementAction)
  return [...done].sort(([a], [b]) => compareText(a, b)).map(([id, enforcementAction]) => ({ id, enforcementAction }))
}

/** Returns the names of the exemptions that applied, or undefined. */
export function exemptionNames(evidence: Evidence): string | undefined {
  const names = new Set(evidence.findings.flatMap(({ exemption }) => (exemption === undefined ? [] : [exemption.name])))
  return names.size === 0 ? undefined : printable(shorten([...names].sort(compareText).join(','), 512))
}
