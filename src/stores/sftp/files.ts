import type { Stats } from 'ssh2'
import { type Connection, isStatus } from './connection.js'
import { readChunks } from './transfer.js'

/** Requests for names that are sent before the answer to the first one. */
const LISTINGS_AHEAD = 8
/** Bytes of a lock or a mark, at most. */
const SMALL_BYTES = 32 * 1024
/** What SFTP gives for a byte that is not UTF-8, and what a name may have as well. */
const REPLACEMENT = '\ufffd'

/** A file as a listing has it. */
export interface ListedFile {
  readonly name: string
  /** Undefined: only a look at the file itself tells what it is. */
  readonly attributes: Stats | undefined
}

/**
 * Names in a directory, in no order, with what the server says of them. None if it is missing.
 */
export async function listFiles(connection: Connection, directory: string): Promise<ListedFile[]> {
  let handle: Buffer
  try {
    handle = await connection.request<Buffer>((sftp, done) => sftp.opendir(directory, done))
  } catch (error) {
    if (isStatus(error, 'ENOENT')) return []
    throw error
  }
  const files: ListedFile[] = []
  try {
    for (let isAtEnd = false; !isAtEnd; ) {
      const answers = Array.from({ length: LISTINGS_AHEAD }, () => readNames(connection, handle))
      for (const names of await Promise.all(answers)) {
        if (names === undefined) isAtEnd = true
        else files.push(...names)
      }
    }
  } finally {
    connection.closeUnheard(handle)
  }
  return files
}

/** Undefined at the end. */
async function readNames(connection: Connection, handle: Buffer): Promise<ListedFile[] | undefined> {
  type Names = readonly { readonly filename: string; readonly attrs: Stats }[]
  try {
    const names = await connection.request<Names>((sftp, done) => sftp.readdir(handle, done as never))
    return names.map(({ filename: name, attrs }) => {
      const isCertain = !name.includes(REPLACEMENT) && attrs.mode !== undefined && !attrs.isSymbolicLink()
      return { name, attributes: isCertain ? attrs : undefined }
    })
  } catch (error) {
    if (isStatus(error, 'SFTP_1')) return undefined
    throw error
  }
}

/** A small file as a whole; undefined if it is missing. */
export async function readSmall(connection: Connection, path: string): Promise<Buffer | undefined> {
  let handle: Buffer
  try {
    handle = await connection.open(path, 'r')
  } catch (error) {
    if (isStatus(error, 'ENOENT')) return undefined
    throw error
  }
  try {
    for await (const chunk of readChunks(connection, handle, 0, SMALL_BYTES)) return Buffer.from(chunk)
    return Buffer.alloc(0)
  } finally {
    connection.closeUnheard(handle)
  }
}

/** Whether there was something to remove. */
export async function unlinkIfThere(connection: Connection, path: string): Promise<boolean> {
  try {
    await connection.unlink(path)
    return true
  } catch (error) {
    if (isStatus(error, 'ENOENT')) return false
    throw error
  }
}
