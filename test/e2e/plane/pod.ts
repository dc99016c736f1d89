import type { Metadata } from './client.ts'

/** A pod, as far as the node reads it. */
export interface Pod {
  readonly metadata: Metadata & { readonly namespace: string; readonly uid: string }
  readonly spec: {
    readonly nodeName?: string
    readonly hostNetwork?: boolean
    readonly restartPolicy?: 'Always' | 'OnFailure' | 'Never'
    readonly serviceAccountName?: string
    readonly terminationGracePeriodSeconds?: number
    readonly securityContext?: SecurityContext
    readonly containers: readonly Container[]
    readonly initContainers?: readonly Container[]
    readonly volumes?: readonly Volume[]
  }
  readonly status?: { readonly phase?: string; readonly podIP?: string }
}

/** Who a container's process runs as. */
export interface SecurityContext {
  readonly runAsUser?: number
  readonly runAsGroup?: number
  readonly fsGroup?: number
  readonly readOnlyRootFilesystem?: boolean
}

/** A container, as far as the node reads it. */
export interface Container {
  readonly name: string
  readonly image: string
  /** Of an init container: `Always` makes it a sidecar. */
  readonly restartPolicy?: string
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly workingDir?: string
  readonly env?: readonly Variable[]
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[]
  readonly resources?: {
    readonly limits?: Readonly<Record<string, string>>
    readonly requests?: Readonly<Record<string, string>>
  }
  readonly volumeMounts?: readonly {
    readonly name: string
    readonly mountPath: string
    readonly subPath?: string
    readonly readOnly?: boolean
  }[]
  readonly securityContext?: SecurityContext
  readonly startupProbe?: Probe
  readonly livenessProbe?: Probe
  readonly readinessProbe?: Probe
  readonly lifecycle?: { readonly preStop?: Action & { readonly sleep?: { readonly seconds: number } } }
}

/** An environment variable of a container. */
export interface Variable {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: {
    readonly fieldRef?: { readonly fieldPath: string }
    readonly resourceFieldRef?: { readonly resource: string; readonly divisor?: string }
    readonly configMapKeyRef?: KeyRef
    readonly secretKeyRef?: KeyRef
  }
}

/** A key of a ConfigMap or Secret. */
export interface KeyRef {
  readonly name: string
  readonly key: string
  readonly optional?: boolean
}

/** What a probe or a hook calls. */
export interface Action {
  readonly httpGet?: { readonly path?: string; readonly port: number | string; readonly scheme?: string }
  readonly tcpSocket?: { readonly port: number | string }
}

/** A probe of a container. */
export interface Probe extends Action {
  readonly initialDelaySeconds?: number
  readonly periodSeconds?: number
  readonly timeoutSeconds?: number
  readonly failureThreshold?: number
  readonly successThreshold?: number
}

/** Picked keys of a ConfigMap or Secret, with the files they become. */
export interface Source {
  readonly name?: string
  readonly secretName?: string
  readonly optional?: boolean
  readonly items?: readonly { readonly key: string; readonly path: string; readonly mode?: number }[]
}

/** Fields of the pod that become files. */
export interface DownwardSource {
  readonly items?: readonly { readonly path: string; readonly fieldRef?: { readonly fieldPath: string } }[]
}

/** A volume of a pod, of the kinds the node knows. */
export interface Volume {
  readonly name: string
  readonly configMap?: Source & { readonly defaultMode?: number }
  readonly secret?: Source & { readonly defaultMode?: number }
  readonly emptyDir?: object
  readonly downwardAPI?: DownwardSource
  readonly projected?: {
    readonly defaultMode?: number
    readonly sources?: readonly {
      readonly configMap?: Source
      readonly secret?: Source
      readonly downwardAPI?: DownwardSource
      readonly serviceAccountToken?: {
        readonly path: string
        readonly audience?: string
        readonly expirationSeconds?: number
      }
    }[]
  }
}

/** Returns the path of a pod in the API. */
export function podPath({ metadata }: Pod): string {
  return `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`
}

/** Returns the number behind a port that is given by number or by name. */
export function portNumber(container: Container, port: number | string): number {
  if (typeof port === 'number') return port
  const found = container.ports?.find(({ name }) => name === port)
  if (found === undefined) throw new Error(`container ${container.name} has no port ${port}`)
  return found.containerPort
}

/** Returns a field of the pod as the downward API does; `address` is what its status will say. */
export function podField(pod: Pod, path: string, address: string): string {
  const { metadata, spec } = pod
  const [, map, key] = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path) ?? []
  if (map === 'labels' || map === 'annotations') return metadata[map]?.[key ?? ''] ?? ''
  switch (path) {
    case 'metadata.name':
      return metadata.name
    case 'metadata.namespace':
      return metadata.namespace
    case 'metadata.uid':
      return metadata.uid
    case 'spec.nodeName':
      return spec.nodeName ?? ''
    case 'spec.serviceAccountName':
      return spec.serviceAccountName ?? 'default'
    case 'status.podIP':
    case 'status.podIPs':
    case 'status.hostIP':
      return address
    case 'metadata.labels':
    case 'metadata.annotations':
      return Object.entries(metadata[path === 'metadata.labels' ? 'labels' : 'annotations'] ?? {})
        .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
        .join('\n')
    default:
      throw new Error(`the node knows no field ${path}`)
  }
}
