import { type ChangeDetection, compareEntry } from '../change/compare.js'
import { checkOrder, Previous } from '../change/previous.js'
import { isKept } from '../change/runs.js'
import { createBreather } from '../flow/breathe.js'
import { onAbort } from '../flow/on-abort.js'
import { comparePaths, isBelow } from '../path.js'
import { ListedRun } from '../source/listed.js'
import {
  type Change,
  type Entry,
  isEntry,
  type SignaturePlace,
  type Source,
  type Stage,
  type StateEntry
} from '../types.js'

/** Options of `diff`. */
export interface DiffOptions extends ChangeDetection {
  /** Reads a signature of a previous content; without it no delta is made. */
  readonly signature?: ((place: SignaturePlace) => Promise<Uint8Array | undefined>) | undefined
}

/**
 * Compares a tree with the previous state: a lock-step merge of two path-ordered sources.
 *
 * Consumes `Entry`; yields `Change`, and a `deleted` one for each entry of the state that is gone. Other items pass on.
 * A `Change` is compared anew: what an earlier `diff` said of it goes.
 * Path order, checked. Reads no content: a file whose metadata differ is `updated` until `sign` has read it.
 * What is `unreadable` keeps its previous entry, a directory its whole previous subtree, flagged `carried`.
 * Memory: constant. Look-ahead: one entry of the state.
 *
 * @throws BackupError IBT_OUT_OF_ORDER; whatever the sources throw.
 */
export function diff(state: Source<StateEntry>, options: DiffOptions = {}): Stage<Entry, Change> {
  return async function* diffStage(source, { signal } = {}) {
    const previous = new Previous(state, options)
    const stopListening = onAbort(signal, reason => previous.cursor.break(reason))
    const breather = createBreather()
    let last: string | undefined
    try {
      for await (const item of source) {
        for (const part of partsOf(item, previous)) {
          if (breather.due()) await breather.pause()
          if (!isEntry(part)) {
            last = lastPathOf(part) ?? last
            yield part
            continue
          }
          const entry = 'change' in part ? toEntry(part as Change) : part
          if (entry === undefined) continue
          const peeked = previous.peek()
          const next = peeked instanceof Promise ? await peeked : peeked
          // The next of the state is behind the last entry: one of the same path is, too.
          if (next?.path !== entry.path) {
            checkOrder(last, entry.path, 'Entry')
            yield* deletedBefore(previous, entry.path)
          }
          last = entry.path
          const match = previous.take(entry.path)
          if (entry.type === 'unreadable' && match !== undefined && match.type !== 'unreadable') {
            yield carry(entry, match)
            if (match.type === 'directory') yield* carriedBelow(previous, match.path)
          } else yield toChange(entry, match, options)
        }
      }
      yield* previous.takeKept()
      yield* deletedBefore(previous, undefined)
    } finally {
      stopListening()
      await previous.cursor.close()
    }
  }
}

function lastPathOf(item: object): string | undefined {
  return isKept(item) ? item.lastPath() : undefined
}

/** The entries of a run, but for those that are as the state says: these come together. */
function* partsOf(item: Entry, previous: Previous): Generator<Entry, void, undefined> {
  if (!(item instanceof ListedRun)) {
    yield* previous.takeKept()
    yield item
    return
  }
  for (let i = item.begin; (i += previous.keep(item, i)) < item.end; i++) {
    yield* previous.takeKept()
    yield item.directory.entry(i)
  }
}

/** What an earlier `diff` compared with another state, as it is in the tree; undefined for what is not there. */
function toEntry({ change, previous: _, basis: __, carried: ___, ...entry }: Change): Entry | undefined {
  return change === 'deleted' ? undefined : entry
}

function toChange(found: Entry, previous: StateEntry | undefined, options: DiffOptions): Change {
  if (previous === undefined) return { change: 'created', ...found }
  const entry = withPreviousXattrs(found, previous)
  const change = compareEntry(entry, previous, options)
  const { signature } = previous
  const { signature: read } = options
  if (change !== 'updated' || entry.type !== 'file' || signature === undefined || read === undefined) {
    return { change, previous, ...entry }
  }
  return { change, previous, basis: () => read(signature), ...entry }
}

/** Attributes that could not be read are as they were. */
function withPreviousXattrs(entry: Entry, { xattrs }: StateEntry): Entry {
  const isUnread = entry.error?.code === 'IBT_READ_FAILED' && entry.xattrs === undefined
  return isUnread ? { ...entry, xattrs } : entry
}

/** The previous entry goes on as it was; only the error is new. */
function carry(entry: Entry, previous: StateEntry): Change {
  return { ...previous, error: entry.error, change: 'unchanged', previous, carried: true }
}

async function* deletedBefore(previous: Previous, path: string | undefined): AsyncGenerator<Change> {
  let entry: StateEntry | undefined
  while ((entry = await previous.peek()) !== undefined) {
    if (path !== undefined && comparePaths(entry.path, path) >= 0) return
    previous.advance()
    yield { change: 'deleted', previous: entry, ...entry }
  }
}

async function* carriedBelow(previous: Previous, directory: string): AsyncGenerator<Change> {
  let entry: StateEntry | undefined
  while ((entry = await previous.peek()) !== undefined && isBelow(entry.path, directory)) {
    previous.advance()
    yield { change: 'unchanged', previous: entry, ...entry, carried: true }
  }
}
