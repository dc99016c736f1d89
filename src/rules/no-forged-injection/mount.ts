import { isTemplateMount, readMount } from '../../istio/injected.ts'
import { type Fields, field, list } from '../../istio/json.ts'
import { type Here, once, type Scene } from './scene.ts'

/**
 * Reports what is mounted into an injected container by neither template nor API server nor a template of the
 * organisation: it may lie over the program or its configuration. Returns whether anything was reported.
 */
export function judgeMounts(written: unknown, here: Here, scene: Scene): boolean {
  let reported = false
  const places = written === here.container ? undefined : once(() => placesOf(here.container))
  for (const [index, given] of list(field(written, 'volumeMounts')).entries()) {
    const mount = readMount(given)
    if (isTemplateMount(here.name, mount)) continue
    if (!mount.isPart && scene.params.mountPaths.some(path => readMount({ mountPath: path }).path === mount.path))
      continue
    // The annotation is another rule's to judge, with all that follows from it.
    if (scene.userMounts().get(mount.volume) === mount.path) continue
    scene.report('foreign-mount', {
      path: here.at('volumeMounts', ...placeOf(given, index, places)),
      value: mount.path,
      slots: { container: here.name, volume: mount.volume },
    })
    reported = true
  }
  return reported
}

/** Where the mounts of a container are: what is judged may be the author's part of it, told by a record. */
function placesOf(container: Fields): ReadonlyMap<unknown, number> {
  const mounts = list(field(container, 'volumeMounts'))
  return new Map([...mounts.entries()].map(([index, mount]) => [field(mount, 'mountPath'), index]))
}

function placeOf(
  given: unknown,
  index: number,
  places: (() => ReadonlyMap<unknown, number>) | undefined,
): readonly number[] {
  const place = places === undefined ? index : places().get(field(given, 'mountPath'))
  return place === undefined ? [] : [place]
}
