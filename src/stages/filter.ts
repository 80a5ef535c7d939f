import { isBelow } from '../path.js'
import type { Rules, Selection } from '../rules.js'
import { type Entry, isEntry, type Stage } from '../types.js'

/**
 * Drops the entries that the rules exclude, with all that lies below them; or all that a selection does not select,
 * but for the directories that lead to what it does.
 *
 * Consumes and yields `Entry`; other items pass on. Order kept, and path order needed. Reads no content.
 * Behind `walk(root, rules)` nothing is left to drop; alone, on a tar, it applies the patterns of the rules: ignore files
 * need the listing of their directory, which only `walk` has. Memory: one entry a level that waits for a selected one.
 *
 * @throws TypeError at the call for anything but rules or a selection.
 */
export function filter<E extends Entry = Entry>(rules: Rules | Selection): Stage<E> {
  if ('selects' in rules) return select(rules)
  if (typeof rules?.root !== 'function') throw new TypeError('filter: rules or a selection are expected')
  return async function* filterStage(source) {
    const scope = rules.root(new Map(), [])
    let excluded: string | undefined
    for await (const entry of source) {
      if (!isEntry(entry)) yield entry
      else if (excluded !== undefined && isBelow(entry.path, excluded)) continue
      else if (scope.excludes(entry.path, entry.type, entry.sizeBytes)) excluded = entry.path
      else yield entry
    }
  }
}

function select<E extends Entry>(selection: Selection): Stage<E> {
  return async function* filterStage(source) {
    const waiting: E[] = []
    for await (const entry of source) {
      if (!isEntry(entry)) {
        yield entry
        continue
      }
      while (waiting.length > 0 && !isBelow(entry.path, waiting.at(-1)!.path)) waiting.pop()
      if (selection.selects(entry.path, entry.type)) {
        yield* waiting.splice(0)
        yield entry
      } else if (entry.type === 'directory') waiting.push(entry)
    }
  }
}
