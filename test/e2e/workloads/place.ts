import type { Guard } from '../guard.ts'

/** Where the cases of this suite happen. */
export interface Place {
  readonly guard: Guard
  /** A namespace of the default revision, whose sidecars are native. */
  readonly native: string
  /** A namespace of a revision that injects the classic layout. */
  readonly classic: string
  /** A namespace that asks for no injection. */
  readonly bare: string
  /** The namespace of the egress gateway. */
  readonly egress: string
}

/** The revision that injects the classic layout and makes gateways of the Gateway API. */
export const classicRevision = 'classic'

/** A pod, as far as this suite reads it. */
export interface SeenPod {
  readonly metadata: {
    readonly name: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
    readonly deletionTimestamp?: string
  }
  readonly spec: {
    readonly containers: readonly { readonly name: string; readonly image: string }[]
    readonly initContainers?: readonly { readonly name: string }[]
  }
}

/** Returns the names of the containers of a pod, those of the injector in the order in which they start. */
export function containersOf({ spec }: SeenPod): {
  readonly init: readonly string[]
  readonly main: readonly string[]
} {
  return { init: (spec.initContainers ?? []).map(({ name }) => name), main: spec.containers.map(({ name }) => name) }
}
