import { posix } from 'node:path'
import type { StoredName } from '../../types.js'
import { markedName, markName, parseMark, printMark, READ_ONLY } from '../directory-marks.js'
import { decodeHolder, isGone } from '../lock-holder.js'
import { compareStoredNames, notFound, retained } from '../stored-name.js'
import { findLeftBehind } from '../temporary-names.js'
import type { Connection } from './connection.js'
import { type ListedFile, listFiles, readSmall, unlinkIfThere } from './files.js'
import { NewFile, once } from './new-file.js'

/** Looks at single files that are under way at a time. */
const LOOKS_AT_ONCE = 64

/** What can be repeated on another connection when one broke. Nothing is changed after an abort. */
export class RemoteDirectory {
  constructor(readonly path: string) {}

  /** Names that begin with a prefix, in the order of their bytes. */
  async list(connection: Connection, prefix: string): Promise<StoredName[]> {
    const files = await listFiles(connection, this.path)
    const marked = new Set(files.map(({ name }) => markedName(name)))
    const wanted = files.filter(({ name }) => !name.startsWith('.') && name.startsWith(prefix))
    const stored: StoredName[] = []
    for (let at = 0; at < wanted.length; at += LOOKS_AT_ONCE) {
      const looks = wanted.slice(at, at + LOOKS_AT_ONCE).map(file => this.#look(connection, file, marked))
      for (const found of await Promise.all(looks)) if (found !== undefined) stored.push(found)
    }
    return stored.sort((a, b) => compareStoredNames(a.name, b.name))
  }

  async delete(connection: Connection, name: string, signal: AbortSignal | undefined): Promise<void> {
    const untilMs = await this.checkRetained(connection, name)
    signal?.throwIfAborted()
    await connection.unlink(this.#fileOf(name))
    if (untilMs > 0) await unlinkIfThere(connection, this.#fileOf(markName(name)))
  }

  async retain(connection: Connection, name: string, untilMs: number, signal: AbortSignal | undefined): Promise<void> {
    if ((await connection.stat(this.#fileOf(name))) === undefined) throw notFound(name)
    if ((await this.#readMark(connection, name)) < untilMs) {
      const file = await NewFile.open(connection, this.path, name, signal)
      try {
        await file.write(once(printMark(untilMs)), signal)
        await file.publish(this.#fileOf(markName(name)))
      } catch (error) {
        await file.discard()
        throw error
      }
    }
    await connection.request((sftp, done) => sftp.chmod(this.#fileOf(name), READ_ONLY, done))
  }

  async clean(connection: Connection, key: string): Promise<number> {
    const names = (await listFiles(connection, this.path)).map(({ name }) => name)
    const { temporary, ofLocks, marks } = findLeftBehind(names, key)
    for (const mark of marks) await unlinkIfThere(connection, this.#fileOf(mark))
    let removed = 0
    for (const name of temporary) if (await unlinkIfThere(connection, this.#fileOf(name))) removed++
    for (const name of ofLocks) {
      const isOver = await this.#isAbandoned(connection, name)
      if (isOver && (await unlinkIfThere(connection, this.#fileOf(name)))) removed++
    }
    return removed
  }

  /** Until when a name was retained. @throws BackupError IBT_RETAINED if that is still so */
  async checkRetained(connection: Connection, name: string): Promise<number> {
    const untilMs = await this.#readMark(connection, name)
    if (untilMs > Date.now()) throw retained(name, untilMs)
    return untilMs
  }

  #fileOf(name: string): string {
    return posix.join(this.path, name)
  }

  /** 0 without a mark. */
  async #readMark(connection: Connection, name: string): Promise<number> {
    const text = await readSmall(connection, this.#fileOf(markName(name)))
    return text === undefined ? 0 : parseMark(text.toString('utf8'))
  }

  /** Whether a lock that was never published names nobody, or a process of this machine that is gone. */
  async #isAbandoned(connection: Connection, file: string): Promise<boolean> {
    const holder = decodeHolder((await readSmall(connection, this.#fileOf(file))) ?? Buffer.alloc(0))
    return holder === undefined || isGone(holder)
  }

  async #look(
    connection: Connection,
    { name, attributes }: ListedFile,
    marked: ReadonlySet<string | undefined>
  ): Promise<StoredName | undefined> {
    const found = attributes ?? (await connection.stat(this.#fileOf(name)))
    if (!found?.isFile()) return undefined
    const retainedUntilMs = marked.has(name) ? await this.#readMark(connection, name) : 0
    return { name, sizeBytes: found.size, ...(retainedUntilMs > 0 && { retainedUntilMs }) }
  }
}
