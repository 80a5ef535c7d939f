import { listDirectories } from '../native.js'
import { ROOT_PATH } from '../path.js'
import { splitNames } from './listed.js'

/**
 * Tells a name that is gone from one that is not found, but still listed: a file system with a fault would make the
 * second look deleted. Memory: the names of one directory, which are listed once.
 */
export class SecondLook {
  #directory: string | undefined
  #names: ReadonlySet<string> | undefined

  constructor(
    /** Bytes of the root's absolute path. */
    readonly root: Uint8Array,
    readonly signal?: AbortSignal | undefined
  ) {}

  /** Whether a name is still listed in its directory; also where that cannot be told. */
  async isListed(path: string): Promise<boolean> {
    const slash = path.lastIndexOf('/')
    const directory = slash < 0 ? ROOT_PATH : path.slice(0, slash)
    if (directory !== this.#directory) {
      this.#directory = directory
      this.#names = await this.#list(directory)
    }
    return this.#names === undefined || this.#names.has(path.slice(slash + 1))
  }

  /** Undefined where the directory cannot be listed; none where it is gone itself. */
  async #list(directory: string): Promise<ReadonlySet<string> | undefined> {
    const [listing] = await listDirectories(this.root, [directory], { signal: this.signal })
    if (listing !== undefined && 'names' in listing) return new Set(splitNames(listing.names))
    const isMissing = (listing?.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
    if (!isMissing || directory === ROOT_PATH) return undefined
    return (await new SecondLook(this.root, this.signal).isListed(directory)) ? undefined : new Set()
  }
}
