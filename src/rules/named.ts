import { ROOT_PATH } from '../path.js'
import type { EntryType } from '../types.js'

interface Node {
  readonly path: string
  /** The entry is named, and all that lies below it. */
  isNamed: boolean
  /** It has been reported as missing. */
  isMissing?: boolean
  readonly children: Map<string, Node>
}

/**
 * Entries that were named one by one, with all that lies below them and the directories that lead to them.
 * Memory: the names.
 */
export class NamedEntries {
  readonly #root: Node = { path: ROOT_PATH, isNamed: false, children: new Map() }

  /** `onMissing` is called for each name that a listing shows to be missing. */
  constructor(
    names: readonly string[],
    readonly onMissing: (path: string) => void
  ) {
    for (const name of names) this.#add(name)
  }

  #add(name: string): void {
    let node = this.#root
    for (const part of partsOf(name)) {
      let child = node.children.get(part)
      if (child === undefined) {
        child = { path: node === this.#root ? part : `${node.path}/${part}`, isNamed: false, children: new Map() }
        node.children.set(part, child)
      }
      node = child
    }
    node.isNamed = true
  }

  /** Whether an entry is named, or below one that is, or a directory that leads to one. */
  has(path: string, type: EntryType): boolean {
    const { node, isCovered } = this.#find(path)
    return isCovered || (node !== undefined && mayHold(type))
  }

  /** Takes note of the names in an entry: none, if it is not a directory. */
  see(path: string, names: readonly string[] = []): void {
    const { node } = this.#find(path)
    if (node === undefined || node.children.size === 0) return
    const present = new Set(names)
    for (const [name, child] of node.children) if (!present.has(name)) this.#reportBelow(child)
  }

  #find(path: string): { readonly node: Node | undefined; readonly isCovered: boolean } {
    let node: Node | undefined = this.#root
    let isCovered = node.isNamed
    for (const part of path === ROOT_PATH ? [] : path.split('/')) {
      node = node.children.get(part)
      if (node === undefined) break
      isCovered ||= node.isNamed
    }
    return { node, isCovered }
  }

  /** A listing may be asked for the same entry twice, so each name is reported once. */
  #reportBelow(node: Node): void {
    if (node.isNamed && !node.isMissing) this.onMissing(node.path)
    node.isMissing = true
    for (const child of node.children.values()) this.#reportBelow(child)
  }
}

/** An entry whose type is not known may be a directory. */
export function mayHold(type: EntryType): boolean {
  return type === 'directory' || type === 'unreadable'
}

/** The parts of a name as tools print it: `./a//b/` is `a/b`, and `.` is the root. @throws RangeError */
function partsOf(name: string): string[] {
  const parts = name.split('/').filter(part => part !== '' && part !== '.')
  if (name === '' || name.startsWith('/') || name.includes('\0') || parts.includes('..')) {
    throw new RangeError(`createRules: ${JSON.stringify(name)} in files is not a path below the root`)
  }
  return parts
}
