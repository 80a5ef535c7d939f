import { tmpdir } from 'node:os'
import { deserialize, serialize } from 'node:v8'
import { Cursor } from '../flow/cursor.js'
import { Spool } from '../flow/spool.js'
import { comparePaths } from '../path.js'
import type { StateEntry } from '../types.js'

/** States, or results of earlier merges, that are merged at the same time: each holds a frame in memory. */
const MERGED_TOGETHER = 16
/** Versions of a result that wait in memory for the next merge; more wait on disk. */
const VERSIONS_IN_MEMORY = 2048
const LENGTH_BYTES = 4

/** An entry that several backups in a row have, by their numbers. */
export interface Version {
  /** As the last of them has it. */
  readonly entry: StateEntry
  readonly first: number
  readonly last: number
}

/** Gives the wanted entries of the backup of a number, in path order. */
export type EntriesOf = (backup: number) => AsyncIterable<StateEntry>

/** What joins versions. */
export interface Joining {
  /** Whether two entries of a path are one version. */
  readonly isSame: (entry: StateEntry, previous: StateEntry) => boolean
  /** Whether nothing is known of a backup: versions at both sides of it may be one. */
  readonly isUnknown: (backup: number) => boolean
}

/**
 * The versions of entries in the backups from `begin` up to `end`: in path order, those of a path oldest first.
 * A lock-step merge of `MERGED_TOGETHER` states at a time; of more, the results of such merges are merged in turn.
 * Memory: one frame for each of those states, and `VERSIONS_IN_MEMORY` for each result; what is longer waits in a file
 * without a name.
 */
export async function* findVersions(
  entriesOf: EntriesOf,
  begin: number,
  end: number,
  joining: Joining
): AsyncGenerator<Version, void, undefined> {
  const numbers = Array.from({ length: end - begin }, (_, i) => begin + i)
  if (numbers.length <= MERGED_TOGETHER) {
    const states = numbers.map(number => versionsOf(entriesOf(number), number))
    yield* mergeVersions(states, joining)
    return
  }
  let partLength = MERGED_TOGETHER
  while (partLength * MERGED_TOGETHER < numbers.length) partLength *= MERGED_TOGETHER
  const results: WaitingVersions[] = []
  try {
    for (let from = begin; from < end; from += partLength) {
      const result = new WaitingVersions()
      results.push(result)
      const part = findVersions(entriesOf, from, Math.min(end, from + partLength), joining)
      for await (const version of part) await result.add(version)
    }
    const sources = results.map(result => result.read())
    yield* mergeVersions(sources, joining)
  } finally {
    for (const result of results) await result.close()
  }
}

async function* versionsOf(
  entries: AsyncIterable<StateEntry>,
  backup: number
): AsyncGenerator<Version, void, undefined> {
  for await (const entry of entries) yield { entry, first: backup, last: backup }
}

/** Merges sources of consecutive backups, older ones first. */
async function* mergeVersions(
  sources: readonly AsyncIterable<Version>[],
  joining: Joining
): AsyncGenerator<Version, void, undefined> {
  const cursors = sources.map(source => new Cursor<Version>(source))
  try {
    const heads = await Promise.all(cursors.map(cursor => cursor.next()))
    for (;;) {
      const path = leastPath(heads)
      if (path === undefined) return
      let version: Version | undefined
      for (const [i, cursor] of cursors.entries()) {
        for (let head = heads[i]!; !head.done && head.value.entry.path === path; head = heads[i]!) {
          const joined: Version | undefined = version && join(version, head.value, joining)
          if (version !== undefined && joined === undefined) yield version
          version = joined ?? head.value
          heads[i] = await cursor.next()
        }
      }
      yield version!
    }
  } finally {
    for (const cursor of cursors) await cursor.close()
  }
}

function leastPath(heads: readonly IteratorResult<Version>[]): string | undefined {
  let least: string | undefined
  for (const { done, value } of heads) {
    if (!done && (least === undefined || comparePaths(value.entry.path, least) < 0)) least = value.entry.path
  }
  return least
}

/** Both as one version, if they are one. */
function join(older: Version, newer: Version, { isSame, isUnknown }: Joining): Version | undefined {
  for (let between = older.last + 1; between < newer.first; between++) if (!isUnknown(between)) return undefined
  return isSame(newer.entry, older.entry) ? { entry: newer.entry, first: older.first, last: newer.last } : undefined
}

/** Versions that wait for the next merge, in memory or, if they are many, on disk. */
class WaitingVersions {
  readonly #spool = new Spool(tmpdir())
  #inMemory: Version[] = []

  async add(version: Version): Promise<void> {
    this.#inMemory.push(version)
    if (this.#inMemory.length < VERSIONS_IN_MEMORY) return
    for (const waiting of this.#inMemory) {
      const bytes = serialize(waiting)
      const length = Buffer.alloc(LENGTH_BYTES)
      length.writeUInt32LE(bytes.length)
      await this.#spool.append(length)
      await this.#spool.append(bytes)
    }
    this.#inMemory = []
  }

  async *read(): AsyncGenerator<Version, void, undefined> {
    let bytes = Buffer.alloc(0)
    for await (const chunk of this.#spool.read({ offset: 0, sizeBytes: this.#spool.sizeBytes })) {
      bytes = Buffer.concat([bytes, chunk])
      let at = 0
      while (at + LENGTH_BYTES <= bytes.length) {
        const end = at + LENGTH_BYTES + bytes.readUInt32LE(at)
        if (end > bytes.length) break
        yield deserialize(bytes.subarray(at + LENGTH_BYTES, end))
        at = end
      }
      bytes = bytes.subarray(at)
    }
    yield* this.#inMemory
  }

  close(): Promise<void> {
    return this.#spool.close()
  }
}
