import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** The folder in which everything that was built stays, outside of the project. */
export const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'sallyport', 'e2e')

/** The version of Kubernetes that the suite runs. */
export const kubernetesVersion = 'v1.36.3'

const goFolder = join(import.meta.dirname, 'go')

// Without these the binaries call themselves v0.0.0, and kubectl warns of the difference.
const kubernetesFlags = [
  `-X k8s.io/component-base/version.gitVersion=${kubernetesVersion}`,
  '-X k8s.io/component-base/version.gitMajor=1',
  '-X k8s.io/component-base/version.gitMinor=36',
].join(' ')

/** How one part of the cache is made. */
export interface Recipe {
  /** Minutes of the first time, with an empty cache of Go. */
  readonly minutes: number
  /** The Go module beside this file that pins its versions, and whose packages are built; without one, `install` is used. */
  readonly module?: string
  /** The main package; without one, files of the module's dependencies are copied. */
  readonly main?: string
  /** Flags of the linker. */
  readonly link?: string
  /** A main package with its version, for what needs no module of ours. */
  readonly install?: string
  /** Istio's charts that are copied, by their folders in the module. */
  readonly charts?: readonly string[]
}

/** The parts of the cache in the order in which they are built: the quick ones and those that others wait for first. */
export const recipes = {
  helm: {
    minutes: 4,
    install: 'helm.sh/helm/v4/cmd/helm@v4.3.1',
    link: '-X helm.sh/helm/v4/internal/version.version=v4.3.1',
  },
  etcd: { minutes: 1, module: 'etcd', main: 'go.etcd.io/etcd/server/v3' },
  'kube-apiserver': {
    minutes: 6,
    module: 'kubernetes',
    main: 'k8s.io/kubernetes/cmd/kube-apiserver',
    link: kubernetesFlags,
  },
  'kube-controller-manager': {
    minutes: 2,
    module: 'kubernetes',
    main: 'k8s.io/kubernetes/cmd/kube-controller-manager',
    link: kubernetesFlags,
  },
  kubectl: { minutes: 1, module: 'kubernetes', main: './kubectl', link: kubernetesFlags },
  'pilot-discovery': { minutes: 4, module: 'istio', main: 'istio.io/istio/pilot/cmd/pilot-discovery' },
  manifests: { minutes: 1, module: 'istio', charts: ['base', 'istio-control/istio-discovery', 'gateway'] },
} as const satisfies Readonly<Record<string, Recipe>>

/** A part of the cache. */
export type Part = keyof typeof recipes

/** All parts of the cache, in the order in which they are built. */
export const parts = Object.keys(recipes) as readonly Part[]

/** Returns whether a word names a part of the cache. */
export function isPart(word: string): word is Part {
  return Object.hasOwn(recipes, word)
}

/** Returns the recipe of a part. */
export function recipeOf(part: Part): Recipe {
  return recipes[part]
}

/** Returns the folder of the Go module of that name. */
export function moduleFolder(name: string): string {
  return join(goFolder, name)
}

/**
 * Returns the folder of a part in the cache, which is there only once the part is made. What the part is made from is in
 * its name, so that working copies with other versions do not take turns in building.
 */
export function partFolder(part: Part): string {
  const { module, main, link, install, charts = [] } = recipeOf(part)
  const hash = createHash('sha256').update(JSON.stringify([main, link, install, ...charts]))
  if (module !== undefined) {
    const sources = main?.startsWith('./') ? [join(main, 'main.go')] : []
    for (const file of ['go.mod', 'go.sum', ...sources]) hash.update(readFileSync(join(moduleFolder(module), file)))
  }
  return join(cache, `${part}-${hash.digest('hex').slice(0, 12)}`)
}

/** Parts that a folder of envtest's brings too. */
const assets: readonly Part[] = ['etcd', 'kube-apiserver', 'kubectl']

/** Returns where the environment says that a part is: KUBEBUILDER_ASSETS is a folder, HELM a path, such as that of Helm 3. */
export function assetOf(part: Part): string | undefined {
  const { KUBEBUILDER_ASSETS: folder = '', HELM: helm = '' } = process.env
  if (part === 'helm' && helm !== '') return resolve(helm)
  return folder !== '' && assets.includes(part) ? join(folder, part) : undefined
}

/** Returns the path of a binary, from the environment or from the cache. */
export function binary(part: Exclude<Part, 'manifests'>): string {
  return assetOf(part) ?? join(partFolder(part), part)
}

/** Files that Istio and the Gateway API ship. */
export interface Manifests {
  /** Istio's CRDs, one file. */
  readonly istioCrds: string
  /** The Gateway API's CRDs of the experimental channel: a folder with a kustomization. */
  readonly gatewayApiCrds: string
  /** Istio's charts: a folder with `base`, `istio-discovery` and `gateway`. */
  readonly charts: string
}

/** Returns where the part `manifests` has them, or a folder that is to become it. */
export function manifests(folder = partFolder('manifests')): Manifests {
  return {
    istioCrds: join(folder, 'istio-crds.yaml'),
    gatewayApiCrds: join(folder, 'gateway-api-crds'),
    charts: join(folder, 'charts'),
  }
}
