import type { Item } from './plane/client.ts'
import type { Istiod } from './plane/istiod.ts'
import type { Image } from './plane/launch.ts'
import type { Node } from './plane/node.ts'
import type { Plane } from './plane/plane.ts'
import type { CommandHints, Ended, Wait } from './plane/process.ts'

/** What every suite is given: one cluster that all of them share, so each cleans up what it made. */
export interface Context {
  /** The control plane: a JSON client as any user, kubectl, the audit log, and faults of the API server. */
  readonly plane: Plane
  /** The node that runs pods as processes. */
  readonly node: Node
  /** Runs kubectl, as the admin unless told. */
  readonly kubectl: Plane['kubectl']
  /** Runs kubectl as the admin and returns what it printed. Throws where it fails. */
  mustKubectl(args: readonly string[], input?: string): Promise<string>
  /** Runs Helm against the cluster, as the admin. */
  helm(args: readonly string[], hints?: CommandHints): Promise<Ended>
  /** The folder of the project. */
  readonly root: string
  /** The folder of the project's chart. */
  readonly chart: string
  /** A folder of the suite's own for files. */
  readonly folder: string
  /** Makes a namespace with a name of its own, with these labels, and returns the name once pods may be made there. */
  freshNamespace(labels?: Readonly<Record<string, string>>, prefix?: string): Promise<string>
  /** Applies objects, server-side, as the admin. Throws where one is refused. */
  apply(objects: readonly object[]): Promise<void>
  /** Returns what the condition returns, once that is neither false nor undefined; throws after a deadline. */
  waitFor<T>(condition: () => T | Promise<T>, wait: Wait): Promise<Exclude<T, false | undefined>>
  /** Returns istiod with its injector, started when first asked for and again when it was closed. */
  istiod(): Promise<Istiod>
  /** Returns an object of the cluster, or nothing. */
  get(path: string): Promise<Item | undefined>
}

/** Runs one case under its name: it passes unless the body throws. The next ones run either way. */
export type Case = (name: string, body: () => Promise<void>) => Promise<void>

/** A file of the suite, `test/e2e/NAME.e2e.ts`. */
export interface Suite {
  /** What the suite shows, as a heading. */
  readonly name: string
  /** Programs that stand for images of its pods, besides the guard's own. */
  readonly images?: Readonly<Record<string, Image>>
  /** Runs its cases one after the other. */
  readonly run: (context: Context, test: Case) => Promise<void>
}
