import { batchStage, isBatch } from '../flow/batches.js'
import { DirectoryStack } from '../format/directory-stack.js'
import { checkPathOrder } from '../format/entry-check.js'
import { groupName, userName } from '../native.js'
import { checkPath } from '../path.js'
import { isListedSpan } from '../source/listed.js'
import { type Entry, isEntry, type Stage } from '../types.js'

/** Options of `addParents`. */
export interface AddParentsOptions {
  /** Called for each directory that was made. */
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
  return batchStage<Entry>(async function* addParentsStage(source) {
    const parents = new Parents(options)
    for await (const item of source) {
      if (isListedSpan(item)) {
        // Entries of one directory, in order.
        const { directory, begin, end } = item
        yield* parents.before(directory.pathOf(begin), directory.listing.mtimesNs[begin]!)
        parents.pass(directory.placed(end - 1))
        yield item
        continue
      }
      for (const single of isBatch(item) ? item : [item]) {
        if (isEntry(single)) {
          yield* parents.before(single.path, single.mtimeNs)
          parents.pass(single)
        }
        yield single
      }
    }
  })
}

/** The directories that the next entry may be in. */
class Parents {
  readonly #directories = new DirectoryStack()
  #last: string | undefined

  constructor(readonly options: AddParentsOptions) {}

  /** Those that are missing, of the time of the entry that needs them. */
  before(path: string, mtimeNs: bigint): readonly Entry[] {
    checkPath(path)
    if (this.#last !== undefined) checkPathOrder(this.#last, path)
    this.#directories.leaveFor(path)
    const made: Entry[] = []
    for (let missing: string | undefined; (missing = this.#directories.nextMissing(path)) !== undefined; ) {
      const directory = makeDirectory(missing, mtimeNs)
      this.options.onMade?.(directory)
      made.push(directory)
      this.#directories.push(missing)
    }
    return made
  }

  pass({ path, type }: Pick<Entry, 'path' | 'type'>): void {
    if (type === 'directory') this.#directories.push(path)
    this.#last = path
  }
}

function makeDirectory(path: string, mtimeNs: bigint): Entry {
  const uid = process.geteuid?.() ?? 0
  const gid = process.getegid?.() ?? 0
  return { path, type: 'directory', mode: MADE_MODE, uid, gid, uname: userName(uid), gname: groupName(gid), mtimeNs }
}
