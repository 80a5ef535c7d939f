import { type ChangeDetection, compareEntry, expectedDigest } from '../change/compare.js'
import type { ToChange } from '../change/compared.js'
import { type ChangeFacts, changeOf } from '../change/metadata.js'
import { checkOrder, Previous } from '../change/previous.js'
import { batchStage, isBatch } from '../flow/batches.js'
import { createBreather } from '../flow/breathe.js'
import { onAbort } from '../flow/on-abort.js'
import { comparePaths, isBelow } from '../path.js'
import { isListedSpan, type ListedSpan } from '../source/listed.js'
import {
  type Batched,
  type Change,
  type ChangeKind,
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
 * If an entry cannot be read, its entry of the previous state is kept and flagged `carried`; of a directory, the whole
 * previous subtree.
 * Memory: constant. Look-ahead: one entry of the state.
 *
 * @throws BackupError IBT_OUT_OF_ORDER; whatever the sources throw.
 */
export function diff(state: Source<StateEntry>, options: DiffOptions = {}): Stage<Entry, Change> {
  return batchStage<Entry, Change>(async function* diffStage(source, { signal }) {
    const toPaired: ToChange = (entry, previous, change) => changeOf(entry, factsOf(entry, previous, change, options))
    const previous = new Previous(state, options, toPaired)
    const stopListening = onAbort(signal, reason => previous.cursor.break(reason))
    const breather = createBreather()
    const merge = new Merge(previous, options)
    try {
      for await (const item of source) {
        if (breather.due()) await breather.pause()
        if (isListedSpan(item)) {
          const begin = merge.begin(item)
          if (begin < item.end) yield* merge.span(item, begin)
        } else {
          yield* merge.unchanged()
          for (const single of isBatch(item) ? item : [item]) {
            if (breather.due()) await breather.pause()
            if (!isEntry(single)) yield single
            else {
              const change = merge.match(single)
              if (change === undefined) yield* merge.single(single)
              else yield change
            }
          }
        }
      }
      yield* merge.unchanged()
      yield* merge.deletedBefore(undefined)
    } finally {
      stopListening()
      await previous.cursor.close()
    }
  })
}

/** The lock-step merge. What is unchanged waits, so that it goes on together. */
class Merge {
  #last: (() => string) | undefined

  constructor(
    readonly previous: Previous,
    readonly options: DiffOptions
  ) {}

  /** Passes over the first entries of a span, if they are as the state says: the index of the first that is not. */
  begin(span: ListedSpan): number {
    checkOrder(this.#last?.(), span.directory.pathOf(span.begin), 'Entry')
    return this.#pass(span, span.begin)
  }

  #pass(span: ListedSpan, begin: number): number {
    const end = begin < span.end ? begin + this.previous.pass(span, begin) : begin
    if (end > begin) this.#last = () => span.directory.pathOf(end - 1)
    return end
  }

  /** The entries of a span from `begin` on: by their columns, as far as these tell, else one by one. */
  async *span(span: ListedSpan, begin: number): AsyncGenerator<Batched<Change>, void, undefined> {
    const { previous } = this
    const { directory } = span
    for (let i = begin; i < span.end; i = this.#pass(span, i)) {
      yield* this.unchanged()
      const compared = previous.compare(span, i)
      if (compared === undefined) yield* this.single(directory.entry(i++))
      else {
        i = compared.end
        this.#last = () => directory.pathOf(compared.end - 1)
        yield compared
      }
    }
  }

  /** What was passed over, together. */
  *unchanged(): Generator<Batched<Change>, void, undefined> {
    const span = this.previous.takeUnchanged()
    if (span !== undefined) yield span
  }

  /** The change of an entry that has the next line of the state, if that is at hand. */
  match(item: Entry): Change | undefined {
    if ('change' in item || item.type === 'unreadable') return undefined
    const next = this.previous.peek()
    if (next === undefined || next instanceof Promise || next.path !== item.path) return undefined
    this.#last = () => item.path
    this.previous.advance()
    return compared(item, next, this.options)
  }

  async *single(item: Entry): AsyncGenerator<Change, void, undefined> {
    const { previous, options } = this
    const entry = 'change' in item ? toEntry(item as Change) : item
    if (entry === undefined) return
    const peeked = previous.peek()
    const next = peeked instanceof Promise ? await peeked : peeked
    // State entries are ordered, so an entry whose path equals the next state entry needs no order check.
    if (next?.path !== entry.path) {
      checkOrder(this.#last?.(), entry.path, 'Entry')
      yield* this.deletedBefore(entry.path)
    }
    this.#last = () => entry.path
    const match = previous.take(entry.path)
    if (entry.type === 'unreadable' && match !== undefined && match.type !== 'unreadable') {
      yield carry(entry, match)
      if (match.type === 'directory') yield* this.#carriedBelow(match.path)
    } else if (match === undefined) yield { change: 'created', ...entry }
    else yield compared(entry, match, options)
  }

  async *deletedBefore(path: string | undefined): AsyncGenerator<Change, void, undefined> {
    const { previous } = this
    let entry: StateEntry | undefined
    while ((entry = await previous.peek()) !== undefined) {
      if (path !== undefined && comparePaths(entry.path, path) >= 0) return
      previous.advance()
      yield { change: 'deleted', previous: entry, ...entry }
    }
  }

  async *#carriedBelow(directory: string): AsyncGenerator<Change, void, undefined> {
    const { previous } = this
    let entry: StateEntry | undefined
    while ((entry = await previous.peek()) !== undefined && isBelow(entry.path, directory)) {
      previous.advance()
      yield { change: 'unchanged', previous: entry, ...entry, carried: true }
    }
  }
}

/** What an earlier `diff` compared with another state, as it is in the tree; undefined for what is not there. */
function toEntry({
  change,
  previous: _,
  basis: __,
  carried: ___,
  expectedSha256: ____,
  ...entry
}: Change): Entry | undefined {
  return change === 'deleted' ? undefined : entry
}

/** What a single entry is, compared with the entry of the state that has its path. */
function compared(found: Entry, previous: StateEntry, options: DiffOptions): Change {
  const entry = withPreviousXattrs(found, previous)
  return toChange(entry, previous, compareEntry(entry, previous, options), options)
}

function toChange(entry: Entry, previous: StateEntry, kind: ChangeKind, options: DiffOptions): Change {
  const { change, basis, expectedSha256 } = factsOf(entry, previous, kind, options)
  return { change, previous, basis, expectedSha256, ...entry }
}

/** What is known of a change, and what its content is compared with if that has to be looked at. */
function factsOf(
  entry: Entry,
  previous: StateEntry,
  change: ChangeKind,
  { signature: read, checksum }: DiffOptions
): ChangeFacts {
  const { signature } = previous
  const isRead = change === 'updated' && entry.type === 'file'
  const basis = isRead && signature && read ? () => read(signature) : undefined
  const expectedSha256 = isRead && checksum ? expectedDigest(entry, previous) : undefined
  return { change, previous, basis, expectedSha256 }
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
