import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a directory and those above it, as `mkdir -p`. Node's own way never ends, and fills the memory, where the system
 * says ENOENT below a directory that is there: in `/proc`, and under an automount.
 *
 * @throws the system's error; also if something is there that is not a directory.
 */
export async function makeDirectories(path: Buffer, mode = 0o777): Promise<void> {
  if (await isMade(path, mode)) return
  const parent = Buffer.from(dirname(path.toString('latin1')), 'latin1')
  if (!(await isDirectory(parent))) await makeDirectories(parent, mode)
  if (!(await isMade(path, mode))) await mkdir(path, mode)
}

/** False if that takes a directory above. */
async function isMade(path: Buffer, mode: number): Promise<boolean> {
  try {
    await mkdir(path, mode)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    if (await isDirectory(path)) return true
    throw error
  }
}

function isDirectory(path: Buffer): Promise<boolean> {
  return stat(path).then(
    found => found.isDirectory(),
    () => false
  )
}
