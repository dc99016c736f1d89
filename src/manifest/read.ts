import { field, isFields, text as textOf } from '../istio/json.ts'
import { trimSpace } from '../istio/text.ts'
import { loadYaml, locate, parseYaml, type TextFault } from '../istio/yaml.ts'
import { buildJson } from './build.ts'
import { scanJson, skipSpace } from './json.ts'
import { problemAt, unwrap } from './list.ts'
import { JsonPlaces } from './locate.ts'
import { Lines, type Position } from './position.ts'
import { splitYaml } from './split.ts'

/** One object of a manifest. */
export interface ManifestDocument {
  readonly file: string
  /** Line of its first content, starting at 1. */
  readonly line: number
  readonly object: unknown
  /** Returns where the key or list item is that a path names, or where the path leads nowhere, the last on it. */
  position(path: readonly (string | number)[]): Position
}

/** Something that keeps a document from being read: `what` is one clause with lower-case start and no final stop. */
export interface Problem {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly what: string
  readonly fix?: string
}

/** What a file holds. */
export interface Manifests {
  readonly documents: readonly ManifestDocument[]
  readonly problems: readonly Problem[]
}

/**
 * Reads the objects of a YAML or JSON file as kubectl does, lists unwrapped. Every document is read that kubectl could
 * tell apart, also after one that has a problem; kubectl itself stops at the first.
 *
 * Where kubectl would lose or overrule something in silence, that is a problem: a key given twice, a second document that
 * no `---` separates, an integer whose digits JavaScript cannot hold but Kubernetes stores.
 */
export function readManifests(text: string, file: string): Manifests {
  const found: Found = { file, documents: [], problems: [] }
  const content = text.replace(/^\ufeff/, '')
  // The byte order mark makes kubectl take JSON for YAML.
  if (content === text && /^\s*\{/.test(text)) readJson(content, found)
  else readYaml(content, { line: 1, column: 1 }, found)
  return found
}

/**
 * Returns the problems that keep documents from being objects of Kubernetes: no apiVersion or kind, a name or namespace
 * that is no text (YAML takes `n` and `on` for booleans). Policy documents are checked otherwise.
 */
export function checkObjects(documents: readonly ManifestDocument[]): readonly Problem[] {
  return documents.flatMap(document => {
    const missing = ['apiVersion', 'kind'].filter(key => !textOf(field(document.object, key)))
    const problems: Problem[] = []
    if (missing.length > 0) {
      const fix = 'say of which kind the object is'
      problems.push({ ...problemAt(document, [], `no ${missing.join(' and no ')}`), fix })
    }
    for (const key of ['name', 'namespace']) {
      const value = field(field(document.object, 'metadata'), key) ?? ''
      if (typeof value !== 'string') {
        problems.push({
          ...problemAt(
            document,
            ['metadata', key],
            `metadata.${key} reads as ${JSON.stringify(value)}, which is no text`,
          ),
          fix: 'put it in quotes',
        })
      }
    }
    return problems
  })
}

interface Found {
  readonly file: string
  readonly documents: ManifestDocument[]
  readonly problems: Problem[]
}

function add(found: Found, object: unknown, position: ManifestDocument['position']): void {
  if (object === null) return
  const document = { file: found.file, line: position([]).line, object, position }
  if (!isFields(object)) found.problems.push(problemAt(document, [], 'the document is not an object'))
  else for (const single of unwrap(document, found.problems)) found.documents.push(single)
}

function refuse(found: Found, { what, fix }: Omit<TextFault, 'offset'>, { line, column }: Position): void {
  found.problems.push({ file: found.file, line, column, what, ...(fix !== undefined && { fix }) })
}

// kubectl (YAMLOrJSONDecoder in k8s.io/apimachinery, pkg/util/yaml) takes what starts with "{" for a stream of JSON
// values, turns to YAML when the first or second of them is no JSON, and gives up when a later one is none.
function readJson(text: string, found: Found): void {
  const places = new JsonPlaces(text)
  const lines = new Lines(text)
  let end = 0
  for (let count = 0; skipSpace(text, end) < text.length; count++) {
    const start = skipSpace(text, end)
    const scanned = scanJson(text, start)
    if (!scanned.ok) {
      const rest = count > 1 ? undefined : restAsYaml(text, end)
      const yaml: Found = { file: found.file, documents: [], problems: [] }
      if (rest !== undefined) readYaml(text.slice(rest), lines.at(rest), yaml)
      // What starts like JSON and is no YAML either is meant as JSON.
      const like = /^\{\s*["}]/.test(text.slice(start, start + 1000)) && yaml.documents.length === 0
      if (rest === undefined || like) refuse(found, scanned.fault, lines.at(scanned.fault.offset))
      else for (const problem of yaml.problems) found.problems.push(problem)
      for (const document of yaml.documents) found.documents.push(document)
      return
    }
    for (const fault of scanned.faults) refuse(found, fault, lines.at(fault.offset))
    end = scanned.end
    if (scanned.faults.length > 0) continue
    const value = scanned.escapedKeys ? buildJson(text, start) : JSON.parse(text.slice(start, end))
    add(found, value, path => lines.at(places.locate(start, path)))
  }
}

/** Returns where YAML starts after JSON: past white space up to the next line. kubectl looks four bytes ahead for it. */
function restAsYaml(text: string, end: number): number | undefined {
  for (let at = end; at <= text.length - 4; at++) {
    if (text[at] === '\n') return at + 1
    if (trimSpace(text.charAt(at)) !== '') return at
  }
  return undefined
}

function readYaml(text: string, from: Position, found: Found): void {
  for (const chunk of splitYaml(text, from)) {
    if (chunk.text !== undefined) readChunk(chunk.text, chunk, found)
    else refuse(found, { what: 'a line that starts with "---" holds more', fix: 'put a line break after "---"' }, chunk)
  }
}

function readChunk(text: string, from: Position, found: Found): void {
  const { tree, value, faults } = loadYaml(text)
  const lines = new Lines(tree.text, from)
  for (const fault of faults) refuse(found, fault, lines.at(fault.offset))
  if (faults.length > 0) return
  const first = lines.at(locate(tree, []))
  // The nodes take far more memory than the object: they are let go, and made again where somebody asks for a position.
  let nodes = new WeakRef(tree)
  add(found, value, path => {
    if (path.length === 0) return first
    const again = nodes.deref() ?? parseYaml(text).tree
    nodes = new WeakRef(again)
    return lines.at(locate(again, path))
  })
}
