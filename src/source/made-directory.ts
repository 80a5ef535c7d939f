import { groupName, userName } from '../native.js'
import type { Entry } from '../types.js'

/** Mode of a directory that nobody has described. */
const MADE_MODE = 0o755

/**
 * A directory that did not come from a source, as tar makes one: it belongs to the user who runs this. It has the time of
 * the entry that needs it, so that it is unchanged in the next backup of the same source.
 */
export function makeDirectory(path: string, { mtimeNs }: Entry): Entry {
  const uid = process.geteuid?.() ?? 0
  const gid = process.getegid?.() ?? 0
  return { path, type: 'directory', mode: MADE_MODE, uid, gid, uname: userName(uid), gname: groupName(gid), mtimeNs }
}
