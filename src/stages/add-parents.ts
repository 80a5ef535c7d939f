import { DirectoryStack } from '../format/directory-stack.js'
import { checkPathOrder } from '../format/entry-check.js'
import { groupName, userName } from '../native.js'
import { checkPath } from '../path.js'
import { ListedRun } from '../source/listed.js'
import { type Entry, isEntry, type Stage } from '../types.js'

/** Options of `addParents`. */
export interface AddParentsOptions {
  /** Told of each directory that was made. */
  readonly onMade?: ((directory: Entry) => void) | undefined
}

/** Mode of a directory that nobody has described. */
const MADE_MODE = 0o755

/**
 * Makes the directories that entries are in and that did not come themselves, as tar does when it extracts: the root of
 * a tar that names only files, or what a filter dropped.
 *
 * Consumes and yields `Entry`; other items pass on. Path order, checked. Reads no content. No look-ahead.
 * A directory that is made belongs to the user who runs this, has mode 0755 and the time of the entry that needs it: so
 * it is unchanged in the next backup of the same source.
 * Memory: the paths of the open directories.
 *
 * @throws BackupError IBT_OUT_OF_ORDER, also for a path that comes twice; IBT_UNSAFE_PATH.
 */
export function addParents(options: AddParentsOptions = {}): Stage<Entry> {
  return async function* addParentsStage(source) {
    const directories = new DirectoryStack()
    let last: string | undefined
    for await (const item of source) {
      const span = spanOf(item)
      if (span === undefined) {
        yield item
        continue
      }
      const { first, end } = span
      checkPath(first.path)
      if (last !== undefined) checkPathOrder(last, first.path)
      directories.leaveFor(first.path)
      for (let path: string | undefined; (path = directories.nextMissing(first.path)) !== undefined; ) {
        const made = makeDirectory(path, first)
        options.onMade?.(made)
        yield made
        directories.push(path)
      }
      if (end.type === 'directory') directories.push(end.path)
      last = end.path
      yield item
    }
  }
}

/** What comes first and last in an item: of a run, entries that are in one directory and in order. */
function spanOf(item: Entry): { readonly first: Entry; readonly end: Entry } | undefined {
  if (!(item instanceof ListedRun)) return isEntry(item) ? { first: item, end: item } : undefined
  const { directory, begin, end } = item
  const first = directory.entry(begin)
  return { first, end: end - begin === 1 ? first : directory.entry(end - 1) }
}

function makeDirectory(path: string, { mtimeNs }: Entry): Entry {
  const uid = process.geteuid?.() ?? 0
  const gid = process.getegid?.() ?? 0
  return { path, type: 'directory', mode: MADE_MODE, uid, gid, uname: userName(uid), gname: groupName(gid), mtimeNs }
}
