/** How the template writes a text into YAML. */
export type Writing =
  /** As it is. */
  | 'plain'
  /** Between double quotes, with nothing escaped. */
  | 'double'
  /** Between single quotes, with nothing escaped. */
  | 'single'

const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/
const controlsBesideSpace = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028\u2029]/

/**
 * Returns what in a text ends the scalar that the template writes it into, or undefined. A line break between quotes is only
 * a blank to YAML, and JSON in an annotation has many, so that between single quotes they are fine.
 *
 *     text          plain            double           single
 *     a b           undefined        undefined        undefined
 *     a: b          ": "             undefined        undefined
 *     a"b           a quote          a quote          undefined
 *     a'b           a quote          undefined        a quote
 *     a, new line   a line break …   a line break …   undefined
 *     {{            "{{"             "{{"             undefined
 */
export function breakIn(text: string, writing: Writing): string | undefined {
  if (writing === 'single') {
    if (text.includes("'")) return 'a quote'
    return controlsBesideSpace.test(text) ? 'a control character' : undefined
  }
  if (controls.test(text)) return 'a line break or control character'
  if (text.includes('"') || text.includes('\\')) return 'a quote or backslash'
  if (text.includes('{{')) return '"{{"'
  if (writing === 'double') return undefined
  if (text.includes("'")) return 'a quote'
  if (text.includes(': ') || text.endsWith(':')) return '": "'
  return text.includes(' #') || text.startsWith('#') ? '" #"' : undefined
}

const variableName = /^[A-Za-z_][-._A-Za-z0-9]*$/

/** Returns what in the name of a variable, which the template writes as it is, makes it more than a name. */
export function breakInName(name: string): string | undefined {
  return variableName.test(name) ? undefined : (breakIn(name, 'plain') ?? 'what no name of a variable has')
}
