import type { Path } from '../core/path.ts'
import { show } from '../core/text.ts'
import { dig, type Fields, isFields, text } from '../istio/json.ts'
import { readManifests } from '../manifest/read.ts'
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

/** One document of a policy, of the right shape. */
export interface PolicyDocument {
  readonly kind: PolicyKind
  readonly name: string
  readonly spec: Fields
  /** Where problems of this document are written down. */
  problem(name: ProblemName, path: Path, words: Words): PolicyProblem
}

/** Reads and checks the documents of all sources; returns those of the right shape, and every problem of the others. */
export function readDocuments(
  sources: readonly PolicySource[],
  check: CheckDocument,
): { readonly documents: readonly PolicyDocument[]; readonly problems: readonly PolicyProblem[] } {
  const documents: PolicyDocument[] = []
  const problems: PolicyProblem[] = []
  for (const source of sources) {
    const read = readManifests(source.text, source.file)
    for (const { file, line, column, what, fix } of read.problems) {
      problems.push({ code: problemCodes.unreadable, file, line, column, path: [], what, ...(fix && { fix }) })
    }
    for (const document of read.documents) {
      const problem: PolicyDocument['problem'] = (name, path, { what, fix }) => ({
        code: problemCodes[name],
        file: document.file,
        ...document.position(path),
        path,
        what,
        ...(fix !== undefined && { fix }),
      })
      const { object } = document
      const kind = policyKinds.find(known => known === text(dig(object, 'kind')))
      if (dig(object, 'apiVersion') !== policyApiVersion || kind === undefined) {
        problems.push(problem('notAPolicy', ['kind'], notAPolicy(object)))
        continue
      }
      const faults = check(kind, object)
      for (const { name, path, ...words } of faults) problems.push(problem(name, path, words))
      const spec = dig(object, 'spec')
      if (faults.length === 0 && isFields(spec)) {
        documents.push({ kind, name: text(dig(object, 'metadata', 'name')) ?? '', spec, problem })
      }
    }
  }
  return { documents, problems }
}

function notAPolicy(object: unknown): Words {
  const given = `${show(dig(object, 'apiVersion'))} ${show(dig(object, 'kind'))}`
  return {
    what: `${JSON.stringify(given)} is no policy document`,
    fix: `use apiVersion ${policyApiVersion} and one of the kinds ${policyKinds.join(', ')}`,
  }
}
