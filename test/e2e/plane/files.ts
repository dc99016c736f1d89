import { chownSync, mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Client, Refused } from './client.ts'
import { type DownwardSource, type Pod, podField, type Source, type Variable, type Volume } from './pod.ts'

/** Content of the files of a volume, by path. */
type Files = ReadonlyMap<string, File>

interface File {
  readonly content: Buffer
  readonly mode: number
}

/** What volumes and variables are made with. */
export interface Sources {
  readonly client: Client
  readonly pod: Pod
  /** The pod's address. */
  readonly address: string
}

/** Writes a volume into a folder. Throws where something it needs does not exist yet. */
export async function writeVolume(volume: Volume, folder: string, owner: number, sources: Sources): Promise<void> {
  mkdirSync(folder, { recursive: true })
  if (volume.emptyDir !== undefined) {
    chownSync(folder, owner, owner)
    return
  }
  publish(folder, await filesOf(volume, sources), owner)
}

/** Returns whether what a volume shows may change while the pod runs. */
export function changes(volume: Volume): boolean {
  return volume.configMap !== undefined || volume.secret !== undefined
}

/** Swaps all files at once, as a kubelet does: names link into `..data`, and `..data` links to what is current. */
function publish(folder: string, files: Files, owner: number): void {
  const previous = currentOf(folder)
  const next = `..${process.hrtime.bigint()}`
  for (const [path, { content, mode }] of files) {
    const target = join(folder, next, path)
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, content, { mode })
    chownSync(target, owner, owner)
  }
  mkdirSync(join(folder, next), { recursive: true })
  symlinkSync(next, join(folder, '..data_tmp'))
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  for (const path of files.keys()) {
    const [top = ''] = path.split('/')
    rmSync(join(folder, top), { force: true })
    symlinkSync(join('..data', top), join(folder, top))
  }
  if (previous !== undefined) rmSync(join(folder, previous), { recursive: true, force: true })
}

function currentOf(folder: string): string | undefined {
  try {
    return readlinkSync(join(folder, '..data'))
  } catch {
    return undefined
  }
}

async function filesOf(volume: Volume, sources: Sources): Promise<Files> {
  const { configMap, secret, downwardAPI, projected } = volume
  if (configMap !== undefined) return keyFiles('configmaps', configMap, configMap.defaultMode, sources)
  if (secret !== undefined) return keyFiles('secrets', secret, secret.defaultMode, sources)
  if (downwardAPI !== undefined) return fieldFiles(downwardAPI, sources)
  if (projected === undefined) throw new Error(`the node knows no volume such as ${JSON.stringify(volume)}`)
  const files = new Map<string, File>()
  for (const { configMap, secret, downwardAPI, serviceAccountToken } of projected.sources ?? []) {
    const { defaultMode } = projected
    const parts: Files[] = []
    if (configMap !== undefined) parts.push(await keyFiles('configmaps', configMap, defaultMode, sources))
    if (secret !== undefined) parts.push(await keyFiles('secrets', secret, defaultMode, sources))
    if (downwardAPI !== undefined) parts.push(fieldFiles(downwardAPI, sources))
    if (serviceAccountToken !== undefined) {
      const content = Buffer.from(await requestToken(serviceAccountToken, sources))
      parts.push(new Map([[serviceAccountToken.path, { content, mode: 0o600 }]]))
    }
    for (const part of parts) for (const [path, file] of part) files.set(path, file)
  }
  return files
}

async function keyFiles(
  plural: 'configmaps' | 'secrets',
  source: Source,
  defaultMode = 0o644,
  { client, pod }: Sources,
): Promise<Files> {
  const name = source.name ?? source.secretName ?? ''
  const values = await read(client, pod, plural, name, source.optional)
  const items = source.items ?? [...values.keys()].map(key => ({ key, path: key, mode: undefined }))
  const files = new Map<string, File>()
  for (const { key, path, mode } of items) {
    const content = values.get(key)
    if (content !== undefined) files.set(path, { content, mode: mode ?? defaultMode })
    else if (source.optional !== true) throw new Error(`${plural} ${name} has no key ${key}`)
  }
  return files
}

function fieldFiles({ items = [] }: DownwardSource, { pod, address }: Sources): Files {
  return new Map(
    items.map(({ path, fieldRef }) => {
      return [path, { content: Buffer.from(podField(pod, fieldRef?.fieldPath ?? '', address)), mode: 0o644 }]
    }),
  )
}

interface Values {
  readonly data?: Readonly<Record<string, string>>
  readonly binaryData?: Readonly<Record<string, string>>
}

async function read(
  client: Client,
  { metadata }: Pod,
  plural: 'configmaps' | 'secrets',
  name: string,
  optional = false,
): Promise<ReadonlyMap<string, Buffer>> {
  try {
    const found = await client.call<Values>('GET', `/api/v1/namespaces/${metadata.namespace}/${plural}/${name}`)
    const encoding = plural === 'secrets' ? 'base64' : 'utf8'
    const text = Object.entries(found.data ?? {}).map(([key, value]) => [key, Buffer.from(value, encoding)] as const)
    const bytes = Object.entries(found.binaryData ?? {}).map(
      ([key, value]) => [key, Buffer.from(value, 'base64')] as const,
    )
    return new Map([...text, ...bytes])
  } catch (cause) {
    if (optional && cause instanceof Refused && cause.status === 404) return new Map()
    throw cause
  }
}

async function requestToken(
  { audience, expirationSeconds = 3600 }: { readonly audience?: string; readonly expirationSeconds?: number },
  { client, pod: { metadata, spec } }: Sources,
): Promise<string> {
  const account = spec.serviceAccountName ?? 'default'
  const reply = await client.call<{ readonly status: { readonly token: string } }>(
    'POST',
    `/api/v1/namespaces/${metadata.namespace}/serviceaccounts/${account}/token`,
    {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        ...(audience === undefined ? {} : { audiences: [audience] }),
        expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: metadata.name, uid: metadata.uid },
      },
    },
  )
  return reply.status.token
}

/** Returns the value of an environment variable, or undefined where an optional source is absent. */
export async function variableValue(
  { value, valueFrom }: Variable,
  limits: Readonly<Record<string, string>>,
  sources: Sources,
): Promise<string | undefined> {
  if (valueFrom === undefined) return value ?? ''
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = valueFrom
  if (fieldRef !== undefined) return podField(sources.pod, fieldRef.fieldPath, sources.address)
  if (resourceFieldRef !== undefined) {
    const [list = '', resource = ''] = resourceFieldRef.resource.split('.')
    // The API server writes 0 where no divisor is said.
    const divisor = quantity(resourceFieldRef.divisor ?? '0') || 1
    return String(Math.ceil(quantity(limits[`${list}.${resource}`] ?? '0') / divisor))
  }
  const reference = configMapKeyRef ?? secretKeyRef
  if (reference === undefined) return ''
  const plural = configMapKeyRef === undefined ? 'secrets' : 'configmaps'
  const values = await read(sources.client, sources.pod, plural, reference.name, reference.optional)
  const found = values.get(reference.key)
  if (found === undefined && reference.optional !== true) {
    throw new Error(`${plural} ${reference.name} has no key ${reference.key}`)
  }
  return found?.toString()
}

const suffixes: Readonly<Record<string, number>> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
}

function quantity(text: string): number {
  const [, digits, suffix = ''] = /^([\d.]+)([A-Za-z]*)$/.exec(text) ?? []
  const factor = suffixes[suffix]
  if (factor === undefined) throw new Error(`the node knows no quantity such as ${text}`)
  return Number(digits) * factor
}
