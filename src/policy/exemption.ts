import { any, type Exemption } from '../core/exemption.ts'
import { type Kind, kindOf } from '../core/kind.ts'
import { type Path, parsePattern } from '../core/path.ts'
import { judgesKind, type Rule } from '../core/rule.ts'
import { enumerate, nearest } from '../core/text.ts'
import { field, list, text } from '../istio/json.ts'
import type { PolicyProblem } from './problem.ts'
import type { PolicyDocument } from './read.ts'
import { readExpires } from './value.ts'

/** Reads `EgressExemptions` documents. */
export class ExemptionReader {
  readonly #rules: readonly Rule[]
  readonly #kinds: readonly Kind[]
  readonly #now: number
  readonly #seen = new Map<string, string>()

  constructor(rules: readonly Rule[], now: number) {
    this.#rules = rules
    this.#kinds = [...new Set(rules.flatMap(rule => rule.judges))].sort()
    this.#now = now
  }

  /** Returns the exemptions of one document; an entry with a problem yields none. */
  read(document: PolicyDocument, problems: PolicyProblem[]): Exemption[] {
    const found: Exemption[] = []
    const defaults = field(document.spec, 'defaults')
    for (const [i, entry] of list(field(document.spec, 'exemptions')).entries()) {
      const exemption = this.#readEntry(document, ['spec', 'exemptions', i], entry, defaults, problems)
      if (exemption !== undefined) found.push(exemption)
    }
    return found
  }

  #readEntry(
    document: PolicyDocument,
    path: Path,
    entry: unknown,
    defaults: unknown,
    problems: PolicyProblem[],
  ): Exemption | undefined {
    const before = problems.length
    const missing = (key: string, fix: string): void => {
      problems.push(document.problem('missingKey', path, { what: `${JSON.stringify(key)} is missing`, fix }))
    }
    const name = text(field(entry, 'name')) ?? ''
    const owner = text(field(entry, 'owner')) ?? text(field(defaults, 'owner'))
    const expires = text(field(entry, 'expires')) ?? text(field(defaults, 'expires'))
    const expiresPath: Path =
      field(entry, 'expires') === undefined ? ['spec', 'defaults', 'expires'] : [...path, 'expires']
    if (owner === undefined) missing('owner', 'say who answers for it')
    if (expires === undefined) missing('expires', 'say until when it holds')
    const expiresAt = readExpires(document, expiresPath, expires, this.#now, problems)
    const target = this.#readTarget(document, path, entry, problems)
    const permits = this.#readPermits(document, path, entry, problems)
    this.#checkName(document, path, name, entry, problems)
    const blocked = problems.slice(before).some(problem => !problem.code.startsWith('SP2'))
    if (blocked || owner === undefined || expires === undefined || expiresAt === undefined) return undefined
    if (target === undefined || permits === undefined) return undefined
    const reason = text(field(entry, 'reason')) ?? ''
    const rule = text(field(entry, 'rule')) ?? ''
    return { name, rule, owner, reason, expires, expiresAt, ...target, permits }
  }

  #checkName(document: PolicyDocument, path: Path, name: string, entry: unknown, problems: PolicyProblem[]): void {
    const content = JSON.stringify(entry)
    const other = this.#seen.get(name)
    if (other !== undefined && other !== content) {
      const what = `another exemption is named ${JSON.stringify(name)} and differs`
      problems.push(document.problem('conflict', [...path, 'name'], { what, fix: 'give it another name' }))
    }
    this.#seen.set(name, content)
  }

  #readTarget(
    document: PolicyDocument,
    path: Path,
    entry: unknown,
    problems: PolicyProblem[],
  ): Pick<Exemption, 'reach' | 'kind' | 'namespace' | 'objectName'> | undefined {
    const object = field(entry, 'object')
    const workload = field(entry, 'workload')
    if ((object === undefined) === (workload === undefined)) {
      const what = 'an exemption names either an object or a workload'
      problems.push(document.problem('badValue', path, { what, fix: 'give one of "object" and "workload"' }))
      return undefined
    }
    const reach = object === undefined ? 'workload' : 'object'
    const target = object ?? workload
    const at: Path = [...path, reach, 'kind']
    const kindName = text(field(target, 'kind')) ?? ''
    const group = text(field(target, 'group'))
    const candidates = this.#kindsNamed(kindName, text(field(entry, 'rule')) ?? '')
    const kind = group === undefined ? candidates[0] : kindOf(group, kindName)
    if (kind === undefined || !judgesKind({ judges: this.#kinds }, kind)) {
      const meant = nearest(
        kindName,
        this.#kinds.map(known => known.split('.')[0] ?? ''),
      )
      const fix = meant === undefined ? {} : { fix: `did you mean ${JSON.stringify(meant)}?` }
      problems.push(
        document.problem('badValue', at, { what: `no rule judges ${JSON.stringify(kind ?? kindName)}`, ...fix }),
      )
      return undefined
    }
    if (group === undefined && candidates.length > 1) {
      const what = `${JSON.stringify(kindName)} is a kind of several groups`
      const groups = candidates.map(candidate => JSON.stringify(candidate.slice(kindName.length + 1)))
      problems.push(document.problem('ambiguousKind', at, { what, fix: `add group: ${enumerate(groups, 'or')}` }))
      return undefined
    }
    return {
      reach,
      kind,
      namespace: text(field(target, 'namespace')) ?? '',
      objectName: text(field(target, 'name')) ?? any,
    }
  }

  /** Returns the kinds of a bare name: those that the exemption's own rule judges, where it judges any. */
  #kindsNamed(name: string, ruleId: string): readonly Kind[] {
    const isNamed = (kind: Kind): boolean => kind === name || kind.startsWith(`${name}.`)
    const own = this.#rules.find(rule => rule.id === ruleId)?.judges.filter(isNamed) ?? []
    return own.length > 0 ? own : this.#kinds.filter(isNamed)
  }

  #readPermits(
    document: PolicyDocument,
    path: Path,
    entry: unknown,
    problems: PolicyProblem[],
  ): Exemption['permits'] | undefined {
    const specDigest = text(field(entry, 'specDigest'))
    const given = text(field(entry, 'path'))
    const value = text(field(entry, 'value'))
    if (specDigest !== undefined && given === undefined && value === undefined) return { specDigest }
    if (specDigest !== undefined || given === undefined || value === undefined) {
      const what = 'an exemption permits one value at one path, or one spec'
      problems.push(document.problem('badValue', path, { what, fix: 'give "path" and "value", or "specDigest"' }))
      return undefined
    }
    const pattern = parsePattern(given)
    if (pattern === undefined) {
      const what = `${JSON.stringify(given)} is no path`
      const fix = 'write it as the finding shows it, like metadata.annotations["a.b/c"] or spec.hosts[0]'
      problems.push(document.problem('badPath', [...path, 'path'], { what, fix }))
      return undefined
    }
    return { path: pattern, value }
  }
}
