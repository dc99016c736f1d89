import { labelsOf } from '../istio/workload.ts'

/**
 * Whether a webhook configuration, an admission policy or a binding of one registers the injector, Istio's validation or
 * the guard: by its name, or by the label that their charts write.
 *
 * Istio: istio-discovery chart, templates/mutatingwebhook.yaml, revision-tags-mwc.yaml,
 * validatingwebhookconfiguration.yaml.
 */
export function isRegistration(object: unknown, name: string): boolean {
  if (/^(istio|istiod|sallyport)(-|$)/.test(name)) return true
  const app = labelsOf(object).get('app')
  return app === 'sidecar-injector' || app === 'istiod'
}
