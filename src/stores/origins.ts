import { batchesOf, isBatch } from '../flow/batches.js'
import { lineEntries } from '../format/line-entries.js'
import { digestIn, hasSignature } from '../format/line-texts.js'
import { WindowEntries } from '../format/state-entries.js'
import { baseName, parentPath } from '../path.js'
import type { ChainLink, Origin, Origins, StateEntry } from '../types.js'
import type { Chain } from './chain.js'
import { entryAt } from './entry-at.js'
import { hashText, KeyIndex } from './key-index.js'

/** Entries of one key that are remembered and compared: more of them are a crowd of equals. */
const LOOKS = 8

/** Where entries of a state are in it, by what else but their path they can be known by. */
interface Index {
  readonly stateDate: string
  readonly links: readonly ChainLink[]
  readonly contents: KeyIndex
  readonly inodes: KeyIndex
  readonly families: KeyIndex
}

/** Keys by which entries of a state can be found under other names: who has them knows what need not be asked for. */
export interface OriginKeys {
  /** Of all files. */
  readonly contents: Uint32Array
  /** Of files with a signature. */
  readonly inodes: Uint32Array
  /** Of their names without numbers. */
  readonly families: Uint32Array
}

/** Origins in a store, and their keys. */
export interface FoundOrigins extends Origins {
  /** The keys of all entries that can be found. */
  keys(): Promise<OriginKeys>
}

/**
 * Finds the contents of the backup of a date under other names: what was renamed, moved, copied or rotated.
 *
 * Reads the state at the first question, once more than `diff` does. Memory: 16 to 32 bytes a file, and two to three times
 * as much for one that has a signature.
 *
 * @throws when it is asked: what `chain.state` throws.
 */
export function findOrigins(chain: Chain, date: string): FoundOrigins {
  let making: Promise<Index> | undefined
  let made: Index | undefined
  const ask = () => (making ??= makeIndex(chain, date).then(index => (made = index)))
  const look = async (offsets: Iterable<number>, { stateDate, links }: Index, isIt: (entry: StateEntry) => boolean) => {
    const found: StateEntry[] = []
    for (const offset of offsets) {
      const entry = await entryAt(await chain.openArchive(stateDate, 'state'), offset, links)
      if (entry.places !== undefined && isIt(entry)) found.push(entry)
    }
    return found
  }
  const findContent = async (sha256: string, sizeBytes: number) => {
    const index = await ask()
    const offsets = index.contents.find(contentKey(sha256))
    const [found] = await look(offsets, index, entry => entry.sha256 === sha256 && entry.sizeBytes === sizeBytes)
    return found && toOrigin(found, chain)
  }
  return {
    async keys() {
      const { contents, inodes, families } = await ask()
      return { contents: contents.keys(), inodes: inodes.keys(), families: families.keys() }
    },
    ofContent(sha256, sizeBytes) {
      const isUnknown = made?.contents.has(contentKey(sha256)) === false
      return isUnknown ? undefined : findContent(sha256, sizeBytes)
    },
    async ofInode({ path, ino }) {
      if (ino === undefined) return undefined
      const index = await ask()
      const [found] = await look(
        index.inodes.find(inodeKey(ino)),
        index,
        entry => entry.ino === ino && entry.path !== path && isAlike(entry.path, path)
      )
      return found && toOrigin(found, chain)
    },
    async ofName({ path, sizeBytes = 0 }) {
      if (!mayRotate(path)) return undefined
      const index = await ask()
      const offsets = index.families.find(familyKey(path))
      const found = await look(offsets, index, entry => entry.path !== path && isFamily(entry.path, path))
      const distance = (entry: StateEntry) => Math.abs((entry.sizeBytes ?? 0) - sizeBytes)
      const [nearest] = found.sort((a, b) => distance(a) - distance(b))
      return nearest && toOrigin(nearest, chain)
    }
  }
}

async function makeIndex(chain: Chain, date: string): Promise<Index> {
  const state = await chain.written(date)
  const index = {
    stateDate: state.header.date,
    links: state.header.chain,
    contents: new KeyIndex(LOOKS),
    inodes: new KeyIndex(LOOKS),
    families: new KeyIndex(LOOKS)
  }
  const add = ({ type, sizeBytes = 0, sha256, ino, signature, path }: StateEntry, offset: number) => {
    if (type !== 'file' || sizeBytes === 0) return
    if (sha256 !== undefined) index.contents.add(contentKey(sha256), offset)
    if (signature === undefined) return
    if (ino !== undefined) index.inodes.add(inodeKey(ino), offset)
    index.families.add(familyKey(path), offset)
  }
  for await (const batch of batchesOf(state.entries())) {
    const entries = isBatch(batch) ? batch : [batch]
    // An entry takes ten times as long as its key. A key that is wrong is found out when its line is read.
    if (entries instanceof WindowEntries) {
      entries.skim((line, text, offset) => {
        if (hasSignature(text)) for (const entry of lineEntries(line)) add(entry, offset)
        else {
          const sha256 = digestIn(text)
          if (sha256 !== undefined) index.contents.add(contentKey(sha256), offset)
        }
      })
    }
    for (const entry of entries) add(entry, state.offset)
  }
  return index
}

/** As the content of another path. */
function toOrigin(entry: StateEntry, chain: Chain): Origin {
  const { signature } = entry
  const places = entry.places?.map(place => ({ ...place, path: place.path ?? entry.path }))
  return {
    entry: { ...entry, places },
    basis: signature === undefined ? undefined : () => chain.signature(signature)
  }
}

/** The key of a content. */
export function contentKey(sha256: string): number {
  return Number.parseInt(sha256.slice(0, 8), 16)
}

/** The key of an inode. */
export function inodeKey(ino: bigint): number {
  return Number(BigInt.asUintN(32, ino ^ (ino >> 32n)))
}

/** The key of a name without its numbers. */
export function familyKey(path: string): number {
  return hashText(familyOf(path))
}

/** What rotates away gets a number. */
export function mayRotate(path: string): boolean {
  return /\d/.test(baseName(path))
}

/** A name without its numbers: what rotates has only other ones. */
function familyOf(path: string): string {
  return `${parentPath(path)}/${baseName(path).replace(/[-._]*\d+/g, '')}`
}

function isFamily(a: string, b: string): boolean {
  return familyOf(a) === familyOf(b)
}

/** An inode alone proves nothing: file systems give that of a deleted file to the next. */
function isAlike(a: string, b: string): boolean {
  return isFamily(a, b) || baseName(a) === baseName(b)
}
