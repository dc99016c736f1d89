import type { Fields } from '../istio/json.ts'
import type { Kind, ObjectRef } from './kind.ts'

/** What the requester wants done with the object. */
export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'

/** Whether a pod is seen before or after Istio's injector; other objects are always final. */
export type Phase =
  /** Before injection: pod templates, manifests, the mutating phase. */
  | 'submitted'
  /** After injection, as it would be stored. */
  | 'final'

/** Who asks. */
export interface Requester {
  readonly username: string
  readonly groups: readonly string[]
}

/** Our parsed form of one request to judge. */
export interface Review {
  readonly uid: string
  readonly operation: Operation
  readonly kind: Kind
  readonly ref: ObjectRef
  /** `status`, `ephemeralcontainers`, …; empty for the object itself. */
  readonly subresource: string
  /** The object after the request; undefined on DELETE. */
  readonly object: Fields | undefined
  /** The object before the request; undefined on CREATE and CONNECT. */
  readonly oldObject: Fields | undefined
  /** Undefined where nobody asks: a manifest in a folder, an audit scan. */
  readonly requester: Requester | undefined
  readonly dryRun: boolean
  readonly phase: Phase
}
