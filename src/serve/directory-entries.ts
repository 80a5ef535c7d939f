import { isBelow, parentPath, ROOT_PATH } from '../path.js'
import type { Chain } from '../stores/chain.js'
import type { StateEntry } from '../types.js'

/** Entries below a directory that are passed over before the state is searched for what comes behind it. */
const PASSED_OVER = 2000

/**
 * The entries that are directly in a directory, in path order. Most of a large directory in it is not read: what comes
 * behind is searched in the state. Memory: as `openStateFrom`.
 */
export async function* entriesIn(
  chain: Chain,
  date: string,
  directory: string
): AsyncGenerator<StateEntry, void, undefined> {
  for (let from: string | undefined = directory; from !== undefined; ) {
    const entries = from === ROOT_PATH ? chain.entries(date) : chain.entries(date, { from })
    from = undefined
    let child = directory
    let passed = 0
    for await (const entry of entries) {
      const { path } = entry
      if (path === directory) continue
      if (directory !== ROOT_PATH && !isBelow(path, directory)) return
      if (parentPath(path) === directory) {
        yield entry
        child = path
        passed = 0
      } else if (++passed === PASSED_OVER) {
        // '/' sorts below every other byte, so nothing that is in the directory comes behind this.
        from = `${child}\u0001`
        break
      }
    }
  }
}
