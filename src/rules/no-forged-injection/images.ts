import { isInstalled, isSameRelease, matchesImage, repositoryOf, withOtherTypes } from '../../istio/image.ts'
import { type InstallValues, installedImage } from '../../istio/injector.ts'
import { field, text } from '../../istio/json.ts'
import { proxyContainerName } from '../../istio/workload.ts'
import { askedImage, askedImageType } from './annotation.ts'
import type { Here, Scene } from './scene.ts'

/** An injected container with its image. */
interface Imaged {
  readonly here: Here
  readonly image: string
}

/**
 * Reports images of injected containers that are not the organisation's: by the policy, where it names them; else by the
 * values of the installation, of which only the repository counts, since pods outlive installations. The versions of one
 * pod agree with each other; where nothing is known, the images do.
 */
export function judgeImages(containers: readonly Here[], scene: Scene): void {
  const asked = askedImage(scene.pod.annotations)
  const images: Imaged[] = []
  for (const here of containers) {
    const image = text(field(here.container, 'image')) ?? ''
    // What the placeholder stands for is not known before the injector has been there.
    if (image !== '' && (image !== 'auto' || scene.isGateway) && image !== asked) images.push({ here, image })
  }
  if (scene.proxyImages === undefined) judgeByValues(images, scene)
  else judgeByPolicy(images, scene.proxyImages, scene)
}

function judgeByPolicy(images: readonly Imaged[], names: readonly string[], scene: Scene): void {
  const type = askedImageType(scene.pod.annotations)
  for (const imaged of images) {
    const isNamed = withOtherTypes(imaged.image, type).some(image => names.some(name => matchesImage(name, image)))
    if (!isNamed) report(imaged, scene)
  }
}

function judgeByValues(images: readonly Imaged[], scene: Scene): void {
  // Any installation of the organisation will do, so that it is asked first which needs no looking for.
  const claimed = installedImages(scene.claimedValues())
  if (images.every(({ here, image }) => isNamed(image, claimed(here)))) return
  const values = scene.values()
  if (values === undefined && scene.isGateway) return askForValues(images, scene)
  const installed = installedImages(values)
  const foreign = images.filter(({ here, image }) => {
    const named = installed(here)
    return named !== undefined && !isNamed(image, named) && repositoryOf(named) !== repositoryOf(image)
  })
  for (const imaged of foreign) report(imaged, scene)
  const isCurrent = images.every(({ here, image }) => isNamed(image, installed(here)))
  if (foreign.length === 0 && !isCurrent) compareImages(images, scene, values !== undefined)
}

/** Where no other container of the pod has an image to compare with. */
function askForValues(images: readonly Imaged[], scene: Scene): void {
  for (const { here, image } of images) {
    const unknown = `whether "${image}" is the organisation’s proxy`
    scene.notJudged(here.at('image'), unknown, 'name the images under spec.mesh.proxyImages')
  }
}

function isNamed(image: string, named: string | undefined): boolean {
  return named !== undefined && isInstalled(image, named)
}

/** Returns the image that an installation gives a container; undefined where that is not known. */
function installedImages(values: InstallValues | undefined): (here: Here) => string | undefined {
  if (values === undefined) return () => undefined
  const proxy = installedImage('proxyImage', values)
  const init = installedImage('proxyInitImage', values)
  return ({ name }) => (name === proxyContainerName ? proxy : init)
}

function report({ here, image }: Imaged, scene: Scene): void {
  scene.report('foreign-image', { path: here.at('image'), value: image, slots: { container: here.name } })
}

/** Compares the proxy with the others: it is what traffic of its user leaves from. */
function compareImages(images: readonly Imaged[], scene: Scene, known: boolean): void {
  const proxy = images.find(({ here }) => here.name === proxyContainerName)
  if (proxy === undefined) return
  const { here, image: value } = proxy
  for (const { here: other, image } of images) {
    if (isSameRelease(value, image) || (known && repositoryOf(value) !== repositoryOf(image))) continue
    const slots = { container: here.name, other: other.name, image }
    scene.report('different-images', { path: here.at('image'), value, slots })
    return
  }
}
