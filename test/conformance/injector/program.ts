import { spawnSync } from 'node:child_process'
import type { Fields } from '../../../src/istio/json.ts'
import { build } from '../go.ts'
import type { Mode } from './installations.ts'

/** A pod for Istio's injector; without a pod, the question what was installed of it. */
export interface Question {
  readonly id: string
  readonly mode: Mode
  readonly values: Fields
  readonly pod?: object
  /** The same pod without what its author forged. */
  readonly genuine?: object
}

/** What a forgery achieved, as `effect.go` tells by the final pods alone. */
export interface Effect {
  readonly kind: 'forged' | 'invalid' | 'weakened' | 'harmless' | 'identical'
  readonly why: readonly string[]
}

/** What came of a question. */
export interface Answer {
  readonly id: string
  /** Why the injector refused the pod. */
  readonly error?: string
  /** The pod as the API server would store it. */
  readonly pod?: Fields
  readonly genuine?: Fields
  readonly effect?: Effect
  /** ConfigMaps and webhooks, where no pod was given. */
  readonly objects?: readonly Fields[]
}

let program: string | undefined

/** Puts all pods through Istio's injector, and returns the answers in the same order. */
export function askInjector(questions: readonly Question[]): readonly Answer[] {
  const input = questions.map(question => JSON.stringify(question)).join('\n')
  // Even to find that nothing changed takes seconds.
  program ??= build('injector')
  const reply = spawnSync(program, { input, encoding: 'utf8', maxBuffer: 2 ** 30 })
  if (reply.status !== 0) throw new Error(`the Go program failed: ${reply.stderr}`)
  const answers = reply.stdout.trimEnd().split('\n')
  if (answers.length !== questions.length) throw new Error(`${questions.length} questions, ${answers.length} answers`)
  return answers.map(line => JSON.parse(line) as Answer)
}
