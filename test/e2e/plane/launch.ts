import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

/** A program that stands for an image. */
export interface Image {
  /** The command, in paths of the image. */
  readonly entrypoint: readonly string[]
  /** What runs after the entrypoint where the container gives no arguments. */
  readonly command?: readonly string[]
  /** Files and folders of this machine that the image has, by their path in the image; read-only there. */
  readonly files: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  readonly workingDir?: string
}

/** A folder of this machine that a container sees at a path. */
export interface Mount {
  readonly source: string
  readonly target: string
  readonly readOnly: boolean
}

/** Everything that a container's process is started with. */
export interface Launch {
  /** The words before the command that put it into its network namespace. */
  readonly enter: readonly string[]
  /** An empty folder: the container's root is made there, and is seen only by the container. */
  readonly root: string
  readonly image: Image
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly mounts: readonly Mount[]
  readonly workingDir: string
  readonly user: number
  readonly group: number
  /** A further group, which owns the volumes. */
  readonly fsGroup: number | undefined
  readonly readOnlyRoot: boolean
}

/** Starts a process as a container runtime would: its own root, mounts and network, no capabilities, not root. */
export function launch(wanted: Launch): ChildProcess {
  mkdirSync(wanted.root, { recursive: true })
  // Only where this program is not root itself must it become root of a namespace to be allowed to mount.
  const isRoot = process.getuid?.() === 0
  const isolate = ['unshare', '--mount', '--propagation', 'private', ...(isRoot ? [] : ['--user', '--map-root-user'])]
  const shell = ['/bin/sh', '-euc', script(wanted, isRoot), 'container', ...wanted.argv]
  return spawn('setpriv', ['--pdeathsig', 'KILL', ...wanted.enter, ...isolate, ...shell], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...wanted.env },
  })
}

const systemFolders = ['/usr', '/proc', '/dev']
const mergedFolders = ['/bin', '/sbin', '/lib', '/lib64']
const systemFiles = ['/etc/passwd', '/etc/group', '/etc/ld.so.cache', '/etc/nsswitch.conf', '/etc/hosts']

function script(
  { root, image, mounts, user, group, fsGroup, readOnlyRoot, workingDir }: Launch,
  isRoot: boolean,
): string {
  const at = (path: string): string => quoted(join(root, path))
  const bind = ({ source, target, readOnly }: Mount): string[] => [
    `mkdir -p ${at(join(target, '..'))}`,
    `if [ -d ${quoted(source)} ]; then mkdir -p ${at(target)}; else : > ${at(target)}; fi`,
    `mount --bind ${quoted(source)} ${at(target)}`,
    ...(readOnly ? [`mount -o remount,bind,ro ${at(target)}`] : []),
  ]
  const files = Object.entries(image.files).map(([target, source]) => ({ source, target, readOnly: true }))
  const drop = [
    ...(isRoot ? [`--reuid=${user}`, `--regid=${group}`] : []),
    ...(isRoot ? [fsGroup === undefined ? '--clear-groups' : `--groups=${fsGroup}`] : []),
    '--bounding-set=-all',
    '--inh-caps=-all',
    '--no-new-privs',
    // Changing the user clears what the outermost setpriv asked for.
    '--pdeathsig=KILL',
  ]
  return [
    `mount -t tmpfs -o mode=0755,size=64m tmpfs ${quoted(root)}`,
    ...systemFolders.flatMap(path => [`mkdir -p ${at(path)}`, `mount --rbind ${path} ${at(path)}`]),
    ...mergedFolders.map(path => `if [ -L ${path} ]; then cp -P ${path} ${at(path)}; fi`),
    ...mergedFolders.map(
      path => `if [ -d ${path} ] && [ ! -L ${path} ]; then mkdir ${at(path)}; mount --rbind ${path} ${at(path)}; fi`,
    ),
    `mkdir -p ${at('/etc')} ${at('/tmp')}`,
    `chmod 1777 ${at('/tmp')}`,
    ...systemFiles.map(path => `if [ -f ${path} ]; then cp ${path} ${at(path)}; fi`),
    ...[...files, ...mounts].flatMap(bind),
    ...(readOnlyRoot ? [`mount -o remount,bind,ro ${quoted(root)}`] : []),
    `exec chroot ${quoted(root)} setpriv ${drop.join(' ')} -- env -C ${quoted(workingDir)} "$@"`,
  ].join('\n')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
