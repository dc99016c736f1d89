import type { Kind } from '../core/kind.ts'

/** How far a reflector is. */
export type State =
  /** It has no list yet. */
  | 'waiting'
  /** It has had a whole list. */
  | 'synced'
  /** The kind is not installed, and so known to be empty. */
  | 'absent'
  /** The kind may not be read. */
  | 'forbidden'

/** Why a watch began anew. */
export type Cause =
  /** The server ended it, as it does every few minutes. */
  | 'closed'
  /** The connection broke. */
  | 'cut'
  /** Nothing came for too long. */
  | 'silent'
  /** The state to go on from was no longer there. */
  | 'expired'
  /** A line could not be read. */
  | 'malformed'
  /** A line was of a type that is not known. */
  | 'unknown'
  /** The server said that something was wrong. */
  | 'error'
  /** The server did not agree to it. */
  | 'refused'
  /** The server could not be reached. */
  | 'unreachable'
  /** A check found that something had been missed. */
  | 'missed'

/** Every cause, for who counts them. */
export const causes: readonly Cause[] = [
  'closed',
  'cut',
  'silent',
  'expired',
  'malformed',
  'unknown',
  'error',
  'refused',
  'unreachable',
  'missed',
]

/** What a reflector follows: a kind, or of a kind one object. */
export interface Followed {
  readonly kind: Kind
  readonly namespace?: string
  readonly name?: string
}

/** How a reflector is. */
export interface ReflectorStatus extends Followed {
  readonly state: State
  readonly objects: number
  /** Milliseconds since what is held was known to be true; 0 while a healthy watch is open. */
  readonly staleness: number
  /** Lists after the first. */
  readonly relists: number
  readonly restarts: Readonly<Record<Cause, number>>
  /** Objects that a check found to be other than what was held. */
  readonly missed: number
  /** Objects that could not be taken in, by namespace and name, the last ones. */
  readonly faults: readonly string[]
  /** Why the last request failed; undefined while all is well. */
  readonly why: string | undefined
}

/** That a reflector has got further, or fallen back. */
export interface Transition extends Followed {
  readonly from: State
  readonly to: State
  readonly why: string | undefined
}
