import { BackupError } from '../../errors.js'
import { printPath } from '../../path.js'

interface Loss {
  readonly error: BackupError
  readonly firstPath: string
  files: number
}

/** Files that cannot be made because an archive is damaged or gone. Memory: one error for each archive. */
export class Losses {
  readonly #byArchive = new Map<string, Loss>()

  /** Counts a file; false if the error is not that of an archive. */
  add(path: string, error: BackupError): boolean {
    const archive = error.path
    if (archive === undefined || archive === path) return false
    const loss = this.#byArchive.get(archive)
    if (loss === undefined) this.#byArchive.set(archive, { error, firstPath: path, files: 1 })
    else loss.files++
    return true
  }

  /** What each archive costs. */
  *problems(): Generator<BackupError, void, undefined> {
    for (const { error, firstPath, files } of this.#byArchive.values()) {
      const cost = `${files === 1 ? 'one file' : `${files} files`} cannot be made without it: ${printPath(firstPath)}`
      const message = `${error.message}; ${cost}${files === 1 ? '' : ' is the first'}`
      yield new BackupError(error.code, message, { path: error.path, cause: error.cause })
    }
  }
}
