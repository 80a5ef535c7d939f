import { mkdir, open, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { BackupError } from '../errors.js'
import { syncDirectory } from '../stores/directory-files.js'

const FILE = 'file-keys.txt'
const LINE = /^([0-9a-f]{64}) ([0-9a-f]{32})$/gm

/**
 * File keys on disk, for a machine that writes to others' keys and has to read its own states: a line for each, of the
 * header's SHA-256 and the key. Only added to; a line that a crash cut off is passed over.
 * Memory: about 200 bytes for each key.
 */
export class KeyLog {
  readonly directory: string
  #keys: Promise<Map<string, Uint8Array>> | undefined
  #added: Promise<unknown> = Promise.resolve()

  constructor(directory: string) {
    this.directory = resolve(directory)
  }

  async get(id: string): Promise<Uint8Array | undefined> {
    return (await this.#read()).get(id)
  }

  /** Resolves when the key is on the disk. @throws BackupError IBT_WRITE_FAILED */
  async add(id: string, key: Uint8Array): Promise<void> {
    const keys = await this.#read()
    if (keys.has(id)) return
    const adding = this.#added.then(() => this.#append(`${id} ${Buffer.from(key).toString('hex')}\n`))
    this.#added = adding.catch(() => {})
    await adding
    keys.set(id, Uint8Array.from(key))
  }

  #read(): Promise<Map<string, Uint8Array>> {
    this.#keys ??= this.#load().catch(error => {
      this.#keys = undefined
      throw error
    })
    return this.#keys
  }

  async #load(): Promise<Map<string, Uint8Array>> {
    const path = join(this.directory, FILE)
    let text = ''
    try {
      text = await readFile(path, 'latin1')
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      if (code !== 'ENOENT') throw new BackupError('IBT_READ_FAILED', `Cannot read ${path}`, { path, cause })
    }
    const keys = new Map<string, Uint8Array>()
    for (const [, id, key] of text.matchAll(LINE)) keys.set(id!, Buffer.from(key!, 'hex'))
    return keys
  }

  async #append(line: string): Promise<void> {
    const path = join(this.directory, FILE)
    try {
      await mkdir(this.directory, { recursive: true, mode: 0o700 })
      const file = await open(path, 'a', 0o600)
      try {
        // A line that a crash cut off does not take the next one with it.
        await file.appendFile(`\n${line}`)
        await file.sync()
      } finally {
        await file.close()
      }
      await syncDirectory(this.directory)
    } catch (cause) {
      throw new BackupError('IBT_WRITE_FAILED', `Cannot write ${path}`, { path, cause })
    }
  }
}
