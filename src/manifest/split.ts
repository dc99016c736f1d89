import { trimSpace } from '../istio/text.ts'
import type { Position } from './position.ts'

/** A part of a file that is one YAML document to kubectl, and where it starts. */
export interface Chunk extends Position {
  /** Undefined where a line meant to separate documents holds more: kubectl fails there, and what was before is lost. */
  readonly text: string | undefined
}

/**
 * Splits YAML text into documents as kubectl does (YAMLReader in k8s.io/apimachinery, pkg/util/yaml): before anything is
 * parsed, at each line that starts with `---`, even one inside a quoted text. Such a line may hold only a comment more.
 */
export function splitYaml(text: string, from: Position): readonly Chunk[] {
  const chunks: Chunk[] = []
  let start = 0
  let first = from
  let line = from.line
  for (let at = 0; at < text.length; line++) {
    const end = endOfLine(text, at)
    if (text.startsWith('---', at)) {
      const rest = trimSpace(text.slice(at + 3, end))
      const broken = rest !== '' && !rest.startsWith('#')
      if (broken) chunks.push({ text: undefined, line, column: 1 })
      else if (at > start) chunks.push({ text: document(text.slice(start, at)), ...first })
      // A separator before any content stays with the document that follows.
      if (broken || at > start) {
        start = end
        first = { line: line + 1, column: 1 }
      }
    }
    at = end
  }
  if (start < text.length) chunks.push({ text: document(text.slice(start)), ...first })
  return chunks
}

// kubectl ends every line with a line feed, the last one too.
function document(text: string): string {
  return (text.endsWith('\n') ? text : `${text}\n`).replaceAll('\r\n', '\n')
}

function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end + 1
}
