import { lstat, readlink } from 'node:fs/promises'
import { resolve } from 'node:path'
import { encodePath } from '../path.js'
import { type Existing, inodeOf } from './existing.js'

/** As many links as Linux follows in one path. */
const LINKS_MAX = 40

/**
 * Directories that a restore never removes, replaces or writes into: stores and caches of backups. What leads to them is
 * not removed or replaced either: the directories above them, and symlinks on the way. All are known by device and inode,
 * so that it does not matter by which path somebody comes to them.
 */
export class ProtectedPlaces {
  readonly #places = new Set<string>()
  readonly #leading = new Set<string>()

  /** Places that are not there need no protection. */
  static async find(paths: readonly string[]): Promise<ProtectedPlaces> {
    const found = new ProtectedPlaces()
    for (const path of paths) await found.#add(path)
    return found
  }

  isPlace(there: Existing): boolean {
    return this.#places.has(inodeOf(there))
  }

  /** True for a place itself, too. */
  leadsToPlace(there: Existing): boolean {
    return this.#leading.has(inodeOf(there))
  }

  async #add(path: string): Promise<void> {
    let last: string | undefined
    for await (const inode of inodesOnTheWay(path)) {
      if (inode !== undefined) this.#leading.add(inode)
      last = inode
    }
    if (last !== undefined) this.#places.add(last)
  }
}

/** Everything that the system looks at to find a path, and the place itself at last; undefined at last if it is not there. */
async function* inodesOnTheWay(path: string): AsyncGenerator<string | undefined, void, undefined> {
  // Names as bytes: one character each.
  const names = encodePath(resolve(path)).toString('latin1').split('/').filter(Boolean).reverse()
  const above: string[] = []
  for (let links = 0; ; ) {
    const name = names.pop()
    if (name === undefined) return
    if (name === '.') continue
    if (name === '..') {
      above.pop()
      continue
    }
    const at = Buffer.from(`/${[...above, name].join('/')}`, 'latin1')
    const status = await lstat(at, { bigint: true }).catch(() => undefined)
    yield status && inodeOf(status)
    if (status === undefined) return
    if (!status.isSymbolicLink()) {
      above.push(name)
      continue
    }
    if (++links > LINKS_MAX) return yield undefined
    const target = (await readlink(at, { encoding: 'buffer' })).toString('latin1')
    if (target.startsWith('/')) above.length = 0
    names.push(...target.split('/').filter(Boolean).reverse())
  }
}
