/** Returns the names on the way from the root to a path, `.`, `..` and repeated slashes taken out as the kernel would. */
function namesOf(path: string): readonly string[] {
  const names: string[] = []
  for (const name of path.split('/')) {
    if (name === '..') names.pop()
    else if (name !== '' && name !== '.') names.push(name)
  }
  return names
}

/**
 * Returns true where one of the accepted paths is the path itself or above it. What is above an accepted path is not
 * accepted with it: a parent directory holds everything else too.
 *
 *     accepted     path                    answer
 *     /var/log     /var/log                true
 *     /var/log     /var/log/pods/          true
 *     /var/log     /var/logs               false
 *     /var/log     /var                    false
 *     /var/log     /var/log/../run         false
 *     /            /anything               true
 *
 * With a backslash in it a path must be accepted letter by letter: on Windows it parts names, on Linux it is in a name.
 */
export function acceptsPath(accepted: readonly string[], path: string): boolean {
  if (path.includes('\\')) return accepted.includes(path)
  const names = namesOf(path)
  return accepted.some(entry => namesOf(entry).every((name, i) => name === names[i]))
}
