import { installations } from '../../core/installation.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { matchesImage, repositoryOf } from '../../istio/image.ts'
import { type InstallValues, installedImage, readInjectorConfigMap, readInstallValues } from '../../istio/injector.ts'
import { dig } from '../../istio/json.ts'

/** Values of an installation that an object holds. */
interface Held {
  readonly values: InstallValues
  /** Returns the path of a value in the object: a ConfigMap holds them as one text. */
  at(inner: readonly string[]): Path
}

const injectorName = /^istio-sidecar-injector(-|$)/

/** Returns the values that the judged object holds: of the injector, or of what installs a mesh. */
export function heldValues({ kind, ref, object }: Subject, root: string): readonly Held[] {
  if (installations.includes(kind)) {
    // istioctl lays the second over the first.
    return ['values', 'unvalidatedValues'].map(place => ({
      values: readInstallValues(dig(object, 'spec', place)),
      at: inner => ['spec', place, ...inner],
    }))
  }
  if (kind !== 'ConfigMap' || ref.namespace !== root || !injectorName.test(ref.name)) return []
  const { values } = readInjectorConfigMap(object)
  return values?.ok ? [{ values: values.value, at: () => ['data', 'values'] }] : []
}

/** An image, and where in the values it is chosen. */
interface Chosen {
  readonly value: string
  readonly path: readonly string[]
}

/** Yields the images of proxies and init containers that values choose and no name stands for, each once. */
export function* foreignImages(values: InstallValues, names: readonly string[]): Generator<Chosen> {
  const seen = new Set<string>()
  for (const container of ['proxyImage', 'proxyInitImage'] as const) {
    const image = installedImage(container, values)
    if (image === undefined) continue
    // Without a tag it is the one of the chart, which is not known here.
    const isWhole = !image.endsWith(':')
    const value = isWhole ? image : image.slice(0, -1)
    const isNamed = names.some(name => matchesImage(isWhole ? name : untagged(name), value))
    const own = values[container]
    const chosen = own?.value.ok === true && own.value.value === value ? own : values.hub
    if (isNamed || chosen === undefined || seen.has(value)) continue
    seen.add(value)
    yield { value, path: chosen.path }
  }
}

function untagged(name: string): string {
  return name.endsWith('*') ? name : repositoryOf(name)
}
