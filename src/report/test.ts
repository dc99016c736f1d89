import { printable } from '../core/text.ts'

/** One case of a policy test after it was tried. */
export interface TriedCase {
  readonly file: string
  readonly name: string
  /** What differs from what it expects, a line each; none where it passed. */
  readonly differences: readonly string[]
}

/** Returns what came out of policy tests as text: every case that failed, with its differences, and a last line of counts. */
export function testText(cases: readonly TriedCase[]): string {
  const failed = cases.filter(isFailed)
  const lines = failed.flatMap(({ file, name, differences }) => [
    printable(`FAIL  ${file}: ${name}`),
    ...differences.map(difference => printable(`  ${difference}`)),
  ])
  const plural = cases.length === 1 ? 'case' : 'cases'
  const summary = `${cases.length} ${plural}: ${cases.length - failed.length} passed, ${failed.length} failed`
  return `${[...lines, summary].join('\n')}\n`
}

/** Returns what came out of policy tests as JSON. */
export function testJson(cases: readonly TriedCase[]): string {
  const failed = cases.filter(isFailed).length
  const report = {
    apiVersion: 'sallyport.dev/test/v1',
    cases: cases.map(({ file, name, differences }) => ({ file, name, passed: differences.length === 0, differences })),
    summary: { cases: cases.length, passed: cases.length - failed, failed },
  }
  return `${JSON.stringify(report, null, 2)}\n`
}

function isFailed({ differences }: TriedCase): boolean {
  return differences.length > 0
}
