import { comparePaths, isBelow, parentPath } from '../path.js'
import { type Entry, isEntry, type Source } from '../types.js'

/**
 * Entries of a backup that a caller's stage has dropped, or given another path, on their way to `write`. They are in the
 * backup, so what is in their place in the destination is not deleted.
 *
 * Both sides are in path order. Memory: the paths on their way, and the dropped ones of the open directories.
 */
export class Dropped {
  readonly #expected: string[] = []
  readonly #byDirectory = new Map<string, Set<string>>()
  #last: string | undefined

  has(path: string): boolean {
    return this.#byDirectory.get(parentPath(path))?.has(path) === true
  }

  /** Stands before the caller's stages. */
  async *before<T extends Entry>(source: Source<T>): AsyncGenerator<T, void, undefined> {
    for await (const item of source) {
      if (isEntry(item)) this.#expected.push(item.path)
      yield item
    }
  }

  /** Stands right before `write`, which has finished with an entry when it asks for the next one. */
  async *after<T extends Entry>(source: Source<T>): AsyncGenerator<T, void, undefined> {
    for await (const item of source) {
      if (isEntry(item)) this.#arrive(item.path)
      yield item
    }
    this.#drop(this.#expected.length)
  }

  #arrive(path: string): void {
    const expected = this.#expected
    this.#forget()
    let count = 0
    while (count < expected.length && comparePaths(expected[count]!, path) < 0) count++
    this.#drop(count)
    if (expected[0] === path) expected.shift()
    this.#last = path
  }

  /** Forgets the directories that `write` has left. */
  #forget(): void {
    const last = this.#last
    for (const directory of this.#byDirectory.keys()) {
      if (last !== undefined && directory !== last && !isBelow(last, directory)) this.#byDirectory.delete(directory)
    }
  }

  #drop(count: number): void {
    for (const path of this.#expected.splice(0, count)) {
      const directory = parentPath(path)
      const paths = this.#byDirectory.get(directory) ?? new Set()
      this.#byDirectory.set(directory, paths.add(path))
    }
  }
}
