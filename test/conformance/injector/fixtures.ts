import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parse } from 'yaml'
import { dig, type Fields, isFields } from '../../../src/istio/json.ts'
import { MODES } from './installations.ts'
import { askInjector, type Question } from './program.ts'

const folder = join(import.meta.dirname, '../../fixtures/pods')

/** What the installation behind the fixtures had beyond the chart's own values. */
const values = { global: { hub: 'istio', tag: '1.31.0' } }

/** Compares with pods that a real API server and a real istiod have made, and returns what differs in the final ones. */
export function compareFixtures(): { readonly compared: number; readonly differences: readonly string[] } {
  const names = readdirSync(folder).flatMap(file => /^(.+)\.submitted\.yaml$/.exec(file)?.[1] ?? [])
  if (names.length === 0) throw new Error(`no pods in ${folder}`)
  const expected = names.map(name => read(`${name}.final.yaml`).object)
  const answers = askInjector(names.map((name, i) => questionOf(name, expected[i])))
  const differences = answers.flatMap(({ id, pod, error }, i) => {
    if (pod === undefined) return [`${id}: ${error}`]
    return [...differing(comparable(pod), comparable(expected[i]), id)]
  })
  return { compared: names.length, differences }
}

function read(file: string): { readonly object: Fields; readonly text: string } {
  const text = readFileSync(join(folder, file), 'utf8')
  const object: unknown = parse(text)
  if (!isFields(object)) throw new Error(`${file} is no object`)
  return { object, text }
}

function questionOf(name: string, final: unknown): Question {
  const { object, text } = read(`${name}.submitted.yaml`)
  const stated = /^# istiod mode: (\S+?)\./m.exec(text)?.[1]
  const mode = MODES.find(known => known === stated)
  if (mode === undefined) throw new Error(`${name} was made in the unknown mode ${stated}`)
  const template = dig(object, 'spec', 'template')
  if (!isFields(template)) return { id: name, mode, values, pod: object }
  // A Job: its controller makes the pod, names it and writes down whose it is.
  const written = ['name', 'namespace', 'generateName', 'labels', 'ownerReferences', 'finalizers']
  const metadata = Object.fromEntries(written.map(key => [key, dig(final, 'metadata', key)]))
  const labels = Object.fromEntries(
    Object.entries(dig(final, 'metadata', 'labels') ?? {}).filter(([key]) => !/(?:^|\.)istio\.io\//.test(key)),
  )
  return {
    id: name,
    mode,
    values,
    pod: { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, labels }, spec: template['spec'] },
  }
}

/** Returns the pod without what only the API server knows, and with one name for the volume of its token. */
function comparable(pod: unknown): unknown {
  const text = JSON.stringify(pod, (key, value: unknown) => (key === 'status' ? undefined : value))
  const { metadata, ...rest } = JSON.parse(text.replace(/kube-api-access-\w{5}/g, 'kube-api-access')) as {
    metadata: Fields
  }
  const { uid, generation, resourceVersion, creationTimestamp, ...kept } = metadata
  return { metadata: kept, ...rest }
}

function* differing(ours: unknown, theirs: unknown, path: string): Generator<string> {
  if (isDeepStrictEqual(ours, theirs)) return
  if (ours !== null && theirs !== null && typeof ours === 'object' && typeof theirs === 'object') {
    for (const key of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
      yield* differing(Object(ours)[key], Object(theirs)[key], `${path}.${key}`)
    }
    return
  }
  yield `${path}: ${JSON.stringify(ours)} here, ${JSON.stringify(theirs)} in the cluster`
}
