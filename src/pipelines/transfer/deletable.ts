import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArtifactName, parseRemovedName, parseSegmentName } from '../../format/names.js'
import { parseVolumeName } from '../../format/volume-names.js'
import { baseName, decodePath, encodePath, joinPath, parentPath } from '../../path.js'
import type { Scope } from '../../rules.js'
import { isOpaqueName } from '../../stores/decorators/opaque-names.js'
import type { Entry, EntryType } from '../../types.js'

/**
 * What may be deleted of the directory of a receiver: nothing that the scopes exclude, no directory with such a thing in
 * it, and no backups, although nothing names their store: the artifacts in a directory for which the sender lists none,
 * and directories with artifacts in them. Only a directory for which the sender lists artifacts, too, is a copy of a store.
 * Memory: the names in the directories on one way down, and the path of each copy.
 */
export class Deletable {
  /** Directories for which the sender has listed artifacts. */
  readonly #copies = new Set<string>()
  #last: { readonly directory: string; readonly isStore: boolean } | undefined

  constructor(
    /** Absolute path. */
    readonly root: string,
    readonly scopes: readonly Scope[]
  ) {}

  /** The sender has listed an entry. */
  listed({ path, type }: Entry): void {
    if (type === 'file' && isArtifactName(baseName(path))) this.#copies.add(parentPath(path))
  }

  readonly may = async (path: string, type: EntryType): Promise<boolean | 'spare'> => {
    if (this.scopes.some(scope => scope.excludes(path, type))) return false
    if (type === 'directory') return this.#mayWithAll(path)
    return (await this.#isStore(parentPath(path))) ? 'spare' : true
  }

  /** If something in it cannot be listed, nobody can tell. */
  async #mayWithAll(path: string): Promise<boolean | 'spare'> {
    const entries = await this.#list(path)
    if (entries === undefined) return this.scopes.every(({ isIdle }) => isIdle)
    if (entries.some(({ name, type }) => type === 'file' && isArtifactName(name))) return 'spare'
    let isSpared = false
    for (const { name, type } of entries) {
      const below = joinPath(path, name)
      if (this.scopes.some(scope => scope.excludes(below, type))) return false
      const may = type === 'directory' ? await this.#mayWithAll(below) : true
      if (may === false) return false
      isSpared ||= may === 'spare'
    }
    return isSpared ? 'spare' : true
  }

  async #isStore(directory: string): Promise<boolean> {
    if (this.#last?.directory !== directory) {
      const names = this.#copies.has(directory) ? [] : ((await this.#list(directory)) ?? [])
      const isStore = names.some(({ name, type }) => type === 'file' && isArtifactName(name))
      this.#last = { directory, isStore }
    }
    return this.#last.isStore
  }

  async #list(path: string): Promise<{ readonly name: string; readonly type: EntryType }[] | undefined> {
    try {
      const entries = await readdir(encodePath(join(this.root, path)), { withFileTypes: true, encoding: 'buffer' })
      return entries.map(entry => ({
        name: decodePath(entry.name as unknown as Buffer),
        type: entry.isDirectory() ? 'directory' : 'file'
      }))
    } catch {
      return undefined
    }
  }
}

const PARSERS = [parseArtifactName, parseRemovedName, parseSegmentName, parseVolumeName]

/** Whether a file has the name of a part of a backup, in plain text or encrypted: as in a store, a cache or a local state. */
function isArtifactName(name: string): boolean {
  return isOpaqueName(name) || PARSERS.some(parse => parse(name) !== undefined)
}
