import type { Subject } from '../../core/rule.ts'
import { matchesImage } from '../../istio/image.ts'
import { dig } from '../../istio/json.ts'
import type { Judge } from './rule.ts'

/** Judges where a WasmPlugin gets its module from. */
export function judgeModule(subject: Subject, tools: Judge): void {
  const path = ['spec', 'url']
  const url = dig(subject.object, ...path) ?? undefined
  if (url === undefined || url === '') return
  if (typeof url !== 'string') {
    tools.malformed(path, 'must be a text')
    return
  }
  const name = moduleName(url)
  const approved = tools.facts.wasmModules ?? []
  if (name !== undefined && approved.some(module => matchesImage(module, name))) return
  tools.report('module-not-approved', { path, value: url })
}

/**
 * Returns the name of a module as the policy writes it, without its scheme; undefined where readers may differ about it.
 * Without a scheme it is an image. Istio: pkg/wasm/cache.go (getOrFetch: oci, http, https), pilot/pkg/model/extensions.go
 * (file, which loads from the proxy's own disk).
 *
 *     url                                  name
 *     hub.example/filter:1.0               hub.example/filter:1.0
 *     oci://hub.example/filter@sha256:ab   hub.example/filter@sha256:ab
 *     https://hub.example/filter.wasm      hub.example/filter.wasm
 *     file:///opt/filter.wasm              /opt/filter.wasm
 *     https://hub.example/a/../b.wasm      undefined
 *     https://hub.example@evil.example     undefined
 */
function moduleName(url: string): string | undefined {
  const found = /^(?:(oci|https?|file):\/\/)?([^\s\\%?#]+)$/i.exec(url)
  const name = found?.[2]
  if (found === null || name === undefined) return undefined
  const segments = name.split('/')
  if (segments.some((segment, i) => segment === '..' || segment === '.' || (segment === '' && i > 0))) return undefined
  const scheme = found[1]?.toLowerCase()
  // A file needs its whole path: what stands before it is read as the name of a host.
  if (scheme === 'file' && !name.startsWith('/')) return undefined
  // Before the host of a URL an @ ends credentials; in the name of an image it begins the digest.
  if (scheme?.startsWith('http') === true && segments[0]?.includes('@') === true) return undefined
  return name
}
