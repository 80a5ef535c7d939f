import { Cursor } from '../../flow/cursor.js'
import type { StoredName } from '../../types.js'
import { compareStoredNames } from '../stored-name.js'

/** A name, and what each list says of it: undefined if a list does not have it. */
export interface ListedName {
  readonly name: string
  readonly found: readonly (StoredName | undefined)[]
}

/**
 * Merges the lists of several stores, in the order of the names' bytes. All lists are read at the same time.
 * If one fails, `onFail` throws, as it does by default, or the merge goes on without that list. Memory: one name of each list.
 */
export async function* mergeLists(
  lists: readonly AsyncIterable<StoredName>[],
  onFail: (index: number, error: unknown) => void = raise
): AsyncGenerator<ListedName, void, undefined> {
  const cursors = lists.map(list => new Cursor(list))
  const pull = async (cursor: Cursor<StoredName>, index: number) => {
    try {
      const { value, done } = await cursor.next()
      return done ? undefined : value
    } catch (error) {
      onFail(index, error)
      return undefined
    }
  }
  try {
    const heads = await Promise.all(cursors.map(pull))
    for (;;) {
      const names = heads.flatMap(head => (head === undefined ? [] : [head.name]))
      if (names.length === 0) return
      const name = names.reduce((least, other) => (compareStoredNames(other, least) < 0 ? other : least))
      yield { name, found: heads.map(head => (head?.name === name ? head : undefined)) }
      for (const [i, head] of heads.entries()) {
        if (head?.name === name) heads[i] = await pull(cursors[i]!, i)
      }
    }
  } finally {
    await Promise.all(cursors.map(cursor => cursor.close()))
  }
}

/** What several stores say of a name as one: the size that the first of them says, and the latest time of retention. */
export function toStoredName({ found }: ListedName, preferred = 0): StoredName {
  const there = found.filter(one => one !== undefined)
  const { name, sizeBytes, cold } = found[preferred] ?? there[0]!
  const untils = there.flatMap(({ retainedUntilMs }) => (retainedUntilMs === undefined ? [] : [retainedUntilMs]))
  return {
    ...{ name, sizeBytes },
    ...(untils.length > 0 && { retainedUntilMs: Math.max(...untils) }),
    ...(cold && { cold })
  }
}

function raise(_index: number, error: unknown): never {
  throw error
}
