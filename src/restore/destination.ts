import type { BigIntStats } from 'node:fs'
import { fstat } from 'node:fs'
import { stat } from 'node:fs/promises'
import { isAbsolute, resolve } from 'node:path'
import { promisify } from 'node:util'
import { BackupError } from '../errors.js'
import { makeDirectories } from '../native/make-directories.js'
import { closeDescriptor, listDirectory, openRoot } from '../native.js'
import { decodePath, encodePath, printPath, ROOT_PATH } from '../path.js'
import type { Existing } from './existing.js'

const statDescriptor: (fd: number, options: { bigint: true }) => Promise<BigIntStats> = promisify(fstat)
const SLASH = Buffer.from('/')
/** In the place of the descriptor of a directory that is not there. */
export const NOWHERE = -1

/**
 * The directory that a restore fills. It is found by its name once; afterwards everything goes by its descriptor, so that
 * it does not matter what takes its name meanwhile.
 */
export class Destination {
  private constructor(
    readonly path: string,
    /** A descriptor, for the jobs of the addon. */
    readonly root: number
  ) {}

  /**
   * Opens the directory, and makes it if it is not there.
   *
   * @throws BackupError IBT_WRITE_FAILED
   */
  static async open(destination: string | Uint8Array): Promise<Destination> {
    const bytes = absolute(destination)
    const path = decodePath(bytes)
    try {
      await makeDirectories(bytes)
      return new Destination(path, await openRoot(bytes))
    } catch (cause) {
      throw new BackupError('IBT_WRITE_FAILED', `Cannot make the directory ${printPath(path)}`, { path, cause })
    }
  }

  /** Opens the directory as it is: if it is not there, nothing is in it. @throws BackupError IBT_WRITE_FAILED */
  static async openThere(destination: string | Uint8Array): Promise<Destination> {
    if (await Destination.isThere(destination)) return Destination.open(destination)
    return new Destination(decodePath(absolute(destination)), NOWHERE)
  }

  /** Whether something is there, or nobody can tell. */
  static isThere(destination: string | Uint8Array): Promise<boolean> {
    return stat(absolute(destination)).then(
      () => true,
      error => error.code !== 'ENOENT'
    )
  }

  /** @throws BackupError IBT_NOT_EMPTY, IBT_WRITE_FAILED */
  async checkEmpty(): Promise<void> {
    const path = this.path
    if (this.root === NOWHERE) return
    const { count } = await listDirectory(this.root, ROOT_PATH).catch(cause => {
      throw new BackupError('IBT_WRITE_FAILED', `Cannot list the directory ${printPath(path)}`, { path, cause })
    })
    if (count === 0) return
    const message = `${printPath(path)} is not empty: restore into a new or an empty directory, or choose with overwrite (--overwrite) what becomes of existing files`
    throw new BackupError('IBT_NOT_EMPTY', message, { path })
  }

  /** The directory itself as it is, if it is there; its attributes come with its listing. */
  async existing(): Promise<Existing | undefined> {
    if (this.root === NOWHERE) return undefined
    const { mode, uid, gid, mtimeNs, dev, ino, nlink } = await statDescriptor(this.root, { bigint: true })
    return {
      path: ROOT_PATH,
      type: 'directory',
      mode: Number(mode & 0o7777n),
      uid: Number(uid),
      gid: Number(gid),
      ...{ mtimeNs, dev, ino },
      nlink: Number(nlink)
    }
  }

  /** Jobs that run keep a descriptor of their own. */
  async close(): Promise<void> {
    if (this.root !== NOWHERE) await closeDescriptor(this.root)
  }
}

/** A name need not be UTF-8: bytes are taken as they are. */
function absolute(path: string | Uint8Array): Buffer {
  if (typeof path === 'string') return encodePath(resolve(path))
  const bytes = Buffer.from(path)
  return isAbsolute(bytes.toString('latin1')) ? bytes : Buffer.concat([encodePath(process.cwd()), SLASH, bytes])
}
