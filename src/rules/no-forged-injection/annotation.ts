import { proxyConfigOf } from '../../core/proxysettings.ts'
import { readMount } from '../../istio/injected.ts'
import { field, isFields } from '../../istio/json.ts'

/** Annotations of a pod that change what the template writes. They are judged by themselves, and not for what follows. */
const proxyImage = 'sidecar.istio.io/proxyImage'
const proxyImageType = 'sidecar.istio.io/proxyImageType'
const userVolumeMount = 'sidecar.istio.io/userVolumeMount'
const bootstrapOverride = 'sidecar.istio.io/bootstrapOverride'

type Annotations = ReadonlyMap<string, string>

/** Returns the image that an annotation gives all injected containers; one without a slash is not heeded. */
export function askedImage(annotations: Annotations): string | undefined {
  const image = annotations.get(proxyImage)
  return image?.includes('/') ? image : undefined
}

/** Returns true for the variable that an annotation has the template write. */
export function isAskedVariable(name: string, annotations: Annotations): boolean {
  return name === 'ISTIO_BOOTSTRAP_OVERRIDE' && annotations.has(bootstrapOverride)
}

/** Returns the type of image that an annotation asks for: its own, else that of the proxy's configuration. */
export function askedImageType(annotations: Annotations): string | undefined {
  const type = annotations.get(proxyImageType)
  if (type !== undefined) return type
  const read = proxyConfigOf({ annotations })
  const setting = read?.ok ? read.value.find(({ path }) => path.join('.') === 'image.imageType') : undefined
  return typeof setting?.value === 'string' ? setting.value : undefined
}

/** Returns the mounts of the proxy that annotations ask for: path by volume. What is no JSON map has none. */
export function userVolumeMounts(annotations: Annotations): ReadonlyMap<string, string> {
  const asked = annotations.get(userVolumeMount)
  const mounts = new Map<string, string>()
  if (annotations.has(bootstrapOverride)) mounts.set('custom-bootstrap-volume', '/etc/istio/custom-bootstrap')
  if (asked === undefined) return mounts
  try {
    const value: unknown = JSON.parse(asked)
    if (isFields(value)) {
      for (const volume of Object.keys(value)) mounts.set(volume, readMount(field(value, volume)).path)
    }
  } catch {
    // The injector refuses a pod of which it cannot read this.
  }
  return mounts
}
