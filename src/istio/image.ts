/** Types of the proxy's image that Istio publishes; the injector puts one after the tag. */
const knownTypes = ['distroless', 'debug'] as const

/**
 * Returns true where an image is one of those that a name stands for. Names are compared as they are written: a registry
 * that the container runtime adds by itself is not added here.
 *
 *     name                    image                              answer
 *     hub.example/proxyv2     hub.example/proxyv2:1.31.0         true: any tag, any digest
 *     hub.example/proxyv2     hub.example/proxyv2-mine:1.31.0    false
 *     hub.example             hub.example:5000/proxyv2           false
 *     proxyv2:1.31.0          proxyv2:1.31.0                     true
 *     proxyv2:1.31.0          proxyv2:1.31.0-debug               false
 *     hub.example/mesh/*      hub.example/mesh/proxyv2:1.31.0    true
 */
export function matchesImage(name: string, image: string): boolean {
  if (name.endsWith('*')) return image.startsWith(name.slice(0, -1))
  if (name === image) return true
  return name === repositoryOf(name) && image.startsWith(name) && isVersion(image.slice(name.length))
}

/** Returns the image without tag and digest. */
export function repositoryOf(image: string): string {
  const plain = withoutDigest(image)
  const colon = plain.lastIndexOf(':')
  return colon > plain.lastIndexOf('/') ? plain.slice(0, colon) : plain
}

/**
 * Returns true where two images of one pod may come from one installation: the same repository and tag, of which one may
 * have a type of the image after it, since the injector gives the proxy a type that its init container does not have; or
 * both by digest alone, out of one folder of one registry: digests say nothing of each other.
 *
 *     hub/proxyv2:1.31.0      hub/proxyv2:1.31.0               true
 *     hub/proxyv2:1.31.0      hub/proxyv2:1.31.0-distroless    true
 *     hub/proxyv2:1.31.0      hub/proxyv2:1.30.0               false
 *     hub/proxyv2:1.31.0      mine/proxyv2:1.31.0              false
 *     hub/proxyv2@sha256:a    hub/init@sha256:b                true
 *     hub/proxyv2@sha256:a    mine/proxyv2@sha256:a            false
 *
 * Istio: pkg/kube/inject/inject.go (ProxyImage, ProxyInitImage, updateImageTypeIfPresent).
 */
export function isSameRelease(a: string, b: string): boolean {
  if (isByDigest(a) && isByDigest(b)) return folderOf(a) === folderOf(b)
  if (repositoryOf(a) !== repositoryOf(b)) return false
  const [plainA, plainB] = [withoutDigest(a), withoutDigest(b)]
  if (plainA === plainB) return a === plainA || b === plainB || a === b
  return isTypeOf(plainA, plainB) || isTypeOf(plainB, plainA)
}

/** Returns true where an image is the one that an installation names, of whatever type and with or without its digest. */
export function isInstalled(image: string, named: string): boolean {
  if (image === named) return true
  const plain = withoutDigest(image)
  return plain === named || (named !== repositoryOf(named) && isTypeOf(plain, named))
}

/**
 * Returns the images that the same installation writes without the type that an annotation asks for, the image itself
 * first: of `hub/proxyv2:1.31.0-debug`, where `debug` is asked for, also `hub/proxyv2:1.31.0` and the one of each other
 * type.
 */
export function withOtherTypes(image: string, type: string | undefined): readonly string[] {
  if (type === undefined) return [image]
  const base = type === 'default' || !image.endsWith(`-${type}`) ? image : image.slice(0, -type.length - 1)
  return [image, base, ...knownTypes.map(known => `${base}-${known}`)]
}

/** Whether an image is another one, with a type after its tag in place of the type it may have. */
function isTypeOf(image: string, other: string): boolean {
  const base = withoutType(other)
  return image === base || (image.startsWith(`${base}-`) && !image.slice(base.length).includes('/'))
}

function withoutDigest(image: string): string {
  const at = image.indexOf('@')
  return at < 0 ? image : image.slice(0, at)
}

function withoutType(image: string): string {
  const type = knownTypes.find(known => image.endsWith(`-${known}`))
  return type === undefined ? image : image.slice(0, -type.length - 1)
}

function isByDigest(image: string): boolean {
  return image !== withoutDigest(image) && withoutDigest(image) === repositoryOf(image)
}

function folderOf(image: string): string {
  const repository = repositoryOf(image)
  return repository.slice(0, repository.lastIndexOf('/') + 1)
}

/** Whether the text behind a name is a tag or digest, and not the port of a registry. */
function isVersion(text: string): boolean {
  return (text.startsWith(':') || text.startsWith('@')) && !text.includes('/')
}
