import { dig, field, isFields, list, text } from '../../istio/json.ts'

/** A volume that the node fetches from somewhere else, and where from. */
export interface RemoteVolume {
  /** Path below the volume to what says where. */
  readonly path: readonly string[]
  /** Where from, as written; empty where the volume does not say. */
  readonly sources: readonly string[]
}

/**
 * Sources of volumes by which the node connects to an address of the pod's author, and the field with that address. Disks
 * of a cloud are not among them: they are attached by the cloud, by a number of its own.
 * Kubernetes: API reference, Volume.
 */
const remote = new Map<string, readonly [field: string, ...more: string[]]>([
  ['nfs', ['server']],
  ['iscsi', ['targetPortal', 'portals']],
  ['rbd', ['monitors']],
  ['cephfs', ['monitors']],
  ['glusterfs', ['endpoints']],
  ['quobyte', ['registry']],
  ['scaleIO', ['gateway']],
  ['azureFile', ['secretName']],
  ['flexVolume', ['driver']],
  ['gitRepo', ['repository']],
])

/** CSI drivers whose inline volumes name the server in an attribute. */
const remoteDrivers: ReadonlyMap<string, string> = new Map([
  ['nfs.csi.k8s.io', 'server'],
  ['smb.csi.k8s.io', 'source'],
  ['file.csi.azure.com', 'storageAccount'],
  ['blob.csi.azure.com', 'storageAccount'],
  ['gcsfuse.csi.storage.gke.io', 'bucketName'],
])

/** Returns where the node fetches a volume from, or undefined for a volume that it does not fetch. */
export function remoteVolume(volume: unknown): RemoteVolume | undefined {
  if (!isFields(volume)) return undefined
  for (const source of Object.keys(volume)) {
    const keys = remote.get(source)
    const given = volume[source]
    if (keys === undefined || !isFields(given)) continue
    return { path: [source, keys[0]], sources: keys.flatMap(key => texts(field(given, key))) }
  }
  const csi = field(volume, 'csi')
  const attribute = remoteDrivers.get(text(field(csi, 'driver')) ?? '')
  if (attribute === undefined) return undefined
  return { path: ['csi'], sources: texts(dig(csi, 'volumeAttributes', attribute)) }
}

function texts(value: unknown): readonly string[] {
  return typeof value === 'string' ? [value] : list(value).filter(item => typeof item === 'string')
}
