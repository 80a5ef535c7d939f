import { isBelow, ROOT_PATH } from '../path.js'

/** The directories that lead to the place which a walk in path order has reached, outermost first. */
export class DirectoryStack {
  readonly #open: string[] = []

  /** The innermost one. */
  get top(): string | undefined {
    return this.#open[this.#open.length - 1]
  }

  push(directory: string): void {
    this.#open.push(directory)
  }

  /** Leaves the directories that the path is not below. */
  leaveFor(path: string): void {
    const open = this.#open
    while (open.length > 0 && !isBelow(path, open[open.length - 1]!)) open.pop()
  }

  /** The outermost directory between the innermost open one and the path; undefined if the path is directly in that. */
  nextMissing(path: string): string | undefined {
    const { top } = this
    if (top === undefined) return path === ROOT_PATH ? undefined : ROOT_PATH
    const slash = path.indexOf('/', top === ROOT_PATH ? 0 : top.length + 1)
    return slash < 0 ? undefined : path.slice(0, slash)
  }
}
