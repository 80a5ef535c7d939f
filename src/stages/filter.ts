import { batchStage, isBatch, toBatch } from '../flow/batches.js'
import { isBelow, parentPath, ROOT_PATH } from '../path.js'
import type { Rules, Scope, Selection } from '../rules.js'
import { isListedSpan, type ListedSpan } from '../source/listed.js'
import { type Batch, type Entry, isEntry, type Stage } from '../types.js'

/**
 * Drops the entries that the rules exclude, with all that lies below them; or all that a selection does not select,
 * but for the directories that lead to what it does.
 *
 * Consumes and yields `Entry`; other items pass on. Order kept. Reads no content. No look-ahead.
 * Behind `walk(root, rules)` nothing is left to drop. Alone, on a tar, it applies what needs no listing: the patterns,
 * paths and size of the rules, but neither ignore files nor markers, for which only `walk` has the listing.
 * A selection needs path order: a directory waits until something below it is selected. Memory: one entry a level.
 *
 * @throws TypeError at the call for anything but rules or a selection.
 */
export function filter<E extends Entry = Entry>(rules: Rules | Selection): Stage<E> {
  if (isSelection(rules)) return select(rules)
  if (typeof rules?.root !== 'function') throw new TypeError('filter: rules or a selection are expected')
  return batchStage<E>(async function* filterStage(source) {
    const scope = rules.root(new Map())
    const tree = new Tree(scope)
    for await (const item of source) {
      // What was listed by the same rules has been asked for before.
      if (scope.isIdle || (isListedSpan(item) && item.directory.rules === rules)) yield item
      else if (isListedSpan(item)) yield* allowedParts<E>(item, tree)
      else if (isBatch(item)) yield* allowed<E>(item, single => !isEntry(single) || !tree.excludes(single))
      else if (!isEntry(item) || !tree.excludes(item)) yield item
    }
  })
}

/** The items of a batch that stay. */
function* allowed<E>(batch: Batch<E>, isAllowed: (item: E) => boolean): Generator<Batch<E>, void, undefined> {
  const items = [...batch].filter(isAllowed)
  if (items.length > 0) yield toBatch(items, batch)
  else batch.release?.()
}

/** What stays of a listing. */
function* allowedParts<E>(span: ListedSpan, tree: Tree): Generator<Batch<E>, void, undefined> {
  const { directory, begin, end } = span
  let from = begin
  for (let i = begin; i <= end; i++) {
    if (i < end && !tree.excludes(directory.entry(i))) continue
    if (from < i) yield span.slice(from, i) as Batch<object> as Batch<E>
    from = i + 1
  }
}

function isSelection(rules: Rules | Selection | undefined): rules is Selection {
  return typeof (rules as Partial<Selection> | undefined)?.selects === 'function'
}

/** The root's rules for entries of any depth, also where a tar has no entries for directories. */
class Tree {
  /** The directory that was judged last: entries come directory by directory. */
  #directory = ROOT_PATH
  #isExcluded = false

  constructor(readonly scope: Scope) {}

  excludes({ path, type, sizeBytes }: Entry): boolean {
    return this.#excludesDirectory(parentPath(path)) || this.scope.excludes(path, type, sizeBytes)
  }

  #excludesDirectory(path: string): boolean {
    if (path === ROOT_PATH) return false
    if (path !== this.#directory) {
      this.#isExcluded = this.#excludesDirectory(parentPath(path)) || this.scope.excludes(path, 'directory')
      this.#directory = path
    }
    return this.#isExcluded
  }
}

function select<E extends Entry>(selection: Selection): Stage<E> {
  return batchStage<E>(async function* filterStage(source) {
    const waiting: E[] = []
    for await (const item of source) {
      const selected: E[] = []
      for (const single of isBatch(item) ? item : [item]) {
        if (!isEntry(single)) {
          selected.push(single)
          continue
        }
        while (waiting.length > 0 && !isBelow(single.path, waiting.at(-1)!.path)) waiting.pop()
        if (selection.selects(single.path, single.type)) selected.push(...waiting.splice(0), single)
        else if (single.type === 'directory') waiting.push(single)
      }
      if (selected.length > 0) yield toBatch(selected, isBatch(item) ? item : undefined)
    }
  })
}
