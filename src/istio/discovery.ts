import { type Labels, matchesLabels, parseSelector } from './selector.ts'

/**
 * Returns whether istiod looks at a namespace with such labels: one selector that matches suffices, and no selectors at
 * all select every namespace. Where one cannot be read istiod keeps those that it had before; here it selects nothing.
 *
 * Istio: pkg/kube/namespace/filter.go (selectorsChanged, isDiscovered).
 */
export function isDiscovered(selectors: readonly unknown[] | undefined, labels: Labels): boolean {
  if (selectors === undefined || selectors.length === 0) return true
  return selectors.some(given => {
    const selector = parseSelector(given)
    return selector.ok && matchesLabels(selector.value, labels)
  })
}
