import { realpath } from 'node:fs/promises'
import { BackupError } from '../errors.js'
import { groupName, listDirectory, userName } from '../native.js'
import { decodePath, encodePath, printPath, ROOT_PATH } from '../path.js'
import type { Rules } from '../rules.js'
import type { Entry } from '../types.js'
import { ListedDirectory } from './listed.js'

const OWN_DIRECTORY_MODE = 0o700

/**
 * The tree of a source that is one file: a directory of the user's own, which stands for no directory on disk, and in it
 * the file under its base name. A link to a file is followed, and the name is that of the file.
 * Memory: the listing of the directory that the file is in.
 * @throws BackupError IBT_READ_FAILED
 */
export async function* singleFile(
  path: string,
  rules: Rules,
  signal?: AbortSignal
): AsyncGenerator<Entry, void, undefined> {
  // Yarn's Plug'n'Play gives a string all the same.
  const real = decodePath(Buffer.from(await realpath(encodePath(path), 'buffer')))
  const slash = real.lastIndexOf('/')
  const root = encodePath(real.slice(0, slash) || '/')
  const name = real.slice(slash + 1)
  const directory = new ListedDirectory(root, ROOT_PATH, await listDirectory(root, ROOT_PATH, { signal }))
  const index = directory.names.indexOf(name)
  if (index < 0 || directory.typeOf(index) !== 'file') {
    throw new BackupError('IBT_READ_FAILED', `${printPath(path)} is no longer a file`, { path })
  }
  const file = directory.entry(index)
  yield ownDirectory(file)
  if (!rules.root(new Map(), [name]).excludes(name, 'file', file.sizeBytes)) yield file
}

/** Its time is the file's: it does not change by itself. */
function ownDirectory({ mtimeNs }: Entry): Entry {
  const uid = process.geteuid?.() ?? 0
  const gid = process.getegid?.() ?? 0
  const names = { uname: userName(uid), gname: groupName(gid) }
  return { path: ROOT_PATH, type: 'directory', mode: OWN_DIRECTORY_MODE, uid, gid, ...names, mtimeNs }
}
