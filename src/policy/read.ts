import type { Path } from '../core/path.ts'
import { show } from '../core/text.ts'
import { dig, type Fields, isFields, text } from '../istio/json.ts'
import { type ManifestDocument, readManifests } from '../manifest/read.ts'
import type { CheckDocument } from './check.ts'
import { type PolicyProblem, type ProblemName, problemCodes } from './problem.ts'
import { type PolicyKind, policyApiVersion, policyKinds } from './schema.ts'

/** A text with the name people know it by. */
export interface PolicySource {
  readonly file: string
  readonly text: string
}

/** A fault's words. */
export interface Words {
  readonly what: string
  readonly fix?: string
}

/** One document of a policy. */
export interface PolicyDocument {
  readonly kind: PolicyKind
  readonly name: string
  readonly spec: Fields
  /** Where problems of this document are written down. */
  problem(name: ProblemName, path: Path, words: Words): PolicyProblem
}

/** What the sources hold. */
export interface ReadDocuments {
  /** Those with a spec; also faulty ones, since there may be more to say about them. */
  readonly documents: readonly PolicyDocument[]
  readonly problems: readonly PolicyProblem[]
  /** Returns true for a problem that only follows from one of these: it stands where the shape is wrong already. */
  isEcho(problem: PolicyProblem): boolean
}

/** Reads and checks the documents of all sources; returns them, and every problem of their shape. */
export function readDocuments(sources: readonly PolicySource[], check: CheckDocument): ReadDocuments {
  const documents: PolicyDocument[] = []
  const problems: PolicyProblem[] = []
  const echoes = new Set<PolicyProblem>()
  for (const source of sources) {
    const read = readManifests(source.text, source.file)
    for (const { file, line, column, what, fix } of read.problems) {
      problems.push({ code: problemCodes.unreadable, file, line, column, path: [], what, ...(fix && { fix }) })
    }
    for (const document of read.documents) {
      const problem: PolicyDocument['problem'] = (name, path, words) => problemAt(document, name, path, words)
      const { object } = document
      const kind = policyKinds.find(known => known === text(dig(object, 'kind')))
      if (dig(object, 'apiVersion') !== policyApiVersion || kind === undefined) {
        problems.push(problem('notAPolicy', ['kind'], notAPolicy(object)))
        continue
      }
      const faults = check(kind, object)
      for (const { name, path, about: _, ...words } of faults) problems.push(problem(name, path, words))
      const spec = dig(object, 'spec')
      if (!isFields(spec)) continue
      documents.push({
        kind,
        name: text(dig(object, 'metadata', 'name')) ?? '',
        spec,
        problem: (name, path, words) => {
          const made = problem(name, path, words)
          if (faults.some(fault => isBelow(path, fault.about))) echoes.add(made)
          return made
        },
      })
    }
  }
  return { documents, problems, isEcho: problem => echoes.has(problem) }
}

function problemAt(document: ManifestDocument, name: ProblemName, path: Path, { what, fix }: Words): PolicyProblem {
  const { line, column } = document.position(path)
  return { code: problemCodes[name], file: document.file, line, column, path, what, ...(fix !== undefined && { fix }) }
}

function isBelow(path: Path, root: Path): boolean {
  return root.length > 0 && root.every((segment, i) => path[i] === segment)
}

function notAPolicy(object: unknown): Words {
  const given = `${show(dig(object, 'apiVersion'))} ${show(dig(object, 'kind'))}`
  return {
    what: `${JSON.stringify(given)} is no policy document`,
    fix: `use apiVersion ${policyApiVersion} and one of the kinds ${policyKinds.join(', ')}`,
  }
}
