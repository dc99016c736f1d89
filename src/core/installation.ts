import { dig, type Fields, text } from '../istio/json.ts'
import { type MeshConfig, readMeshConfig, readMeshConfigValue } from '../istio/meshconfig.ts'
import type { Result } from '../istio/result.ts'
import type { Kind } from './kind.ts'
import { isMeshConfigMap, readMeshConfigMap } from './mesh.ts'
import type { Path } from './path.ts'
import type { Subject } from './rule.ts'

const operator = 'IstioOperator.install.istio.io'

/** Kinds that install a mesh from values. */
export const installations: readonly Kind[] = [operator, 'Istio.sailoperator.io', 'IstioRevision.sailoperator.io']

/** Kinds in which a mesh configuration may stand. */
export const meshConfigKinds: readonly Kind[] = ['ConfigMap', ...installations]

/** A mesh configuration that an object holds. */
export interface HeldMeshConfig {
  readonly read: Result<MeshConfig>
  /** Returns the path of a field of it in the object: a ConfigMap holds it as one text, so there it is that text's. */
  at(...inner: readonly string[]): Path
}

/**
 * Returns the mesh configurations that the judged object holds: `data.mesh` of a mesh ConfigMap or of a shared one, which
 * has any name (Istio: SHARED_MESH_CONFIG), and `meshConfig` of what installs a mesh, in which an IstioOperator has three
 * places that are laid over each other.
 */
export function meshConfigsOf({ kind, object }: Pick<Subject, 'kind' | 'object'>, root: string): HeldMeshConfig[] {
  if (kind === 'ConfigMap') return ofConfigMap(object, root)
  if (!installations.includes(kind)) return []
  const roots: readonly (readonly string[])[] =
    kind === operator ? [['spec'], ['spec', 'values'], ['spec', 'unvalidatedValues']] : [['spec', 'values']]
  return roots.flatMap(place => {
    const path = [...place, 'meshConfig']
    const given = dig(object, ...path) ?? undefined
    if (given === undefined) return []
    return [{ read: readMeshConfigValue(given), at: (...inner) => [...path, ...inner] }]
  })
}

function ofConfigMap(configMap: Fields, root: string): HeldMeshConfig[] {
  if (text(dig(configMap, 'metadata', 'namespace')) !== root) return []
  const given = text(dig(configMap, 'data', 'mesh'))
  if (given === undefined) return []
  const read = isMeshConfigMap(configMap, root) ? readMeshConfigMap(configMap) : readMeshConfig(given)
  return [{ read, at: () => ['data', 'mesh'] }]
}
