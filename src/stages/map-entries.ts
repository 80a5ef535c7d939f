import { type Entry, isEntry, type Stage } from '../types.js'

/**
 * Changes entries one by one, or leaves them out: renames, anonymises, samples.
 *
 * Consumes and yields entries of any kind: those of a tree before `diff`, those of a backup behind `patch`; other items
 * pass on. Order kept, so a path that is changed has to stay in its place. No look-ahead. Memory: one entry.
 * `change` gives the entry itself, or a copy with other fields, or undefined to leave it out. What lies below a directory
 * that is left out is not: `addParents` makes the directory again.
 *
 * @throws what `change` throws: the pipeline ends.
 */
export function mapEntries<E extends Entry>(change: (entry: E) => E | undefined | Promise<E | undefined>): Stage<E> {
  if (typeof change !== 'function') throw new TypeError('mapEntries takes a function')
  return async function* mapEntriesStage(source) {
    for await (const item of source) {
      if (!isEntry(item)) yield item
      else {
        const changed = await change(item)
        if (changed !== undefined) yield changed
      }
    }
  }
}
