import { metadataOf } from '../change/metadata.js'
import { BackupError } from '../errors.js'
import { asBuffer } from '../format/byte-reader.js'
import { checkPathOrder } from '../format/entry-check.js'
import { decodeStateEntry } from '../format/state-decode.js'
import { encodeStateEntry } from '../format/state-encode.js'
import { STATE_LINE_BYTES } from '../format/state-lines.js'
import type { Entry, StateEntry } from '../types.js'

/** Bytes of a listing that the sender may be ahead of what the receiver has finished with. */
export const LISTING_WINDOW_BYTES = 4 * 1024 * 1024

/** An entry of a tree as the sender lists it. */
export type ListedEntry = Entry & Pick<StateEntry, 'sha256' | 'carried'>

/** An entry that was listed, and where in the listing. */
export interface Listed {
  readonly entry: ListedEntry
  /** Its number: the first is 0. */
  readonly number: number
  /** Bytes of the listing up to its end. */
  readonly endBytes: number
}

const NO_DATES = new Map<string, number>()
const LINE_FEED = 0x0a

/** The line of an entry: as in a state, but without what only the sender's file system means by it. */
export function encodeListed(entry: ListedEntry): Buffer {
  const { sha256, carried } = entry
  const listed = { ...metadataOf(entry), ctimeNs: undefined, ino: undefined, mapped: undefined, sha256, carried }
  return Buffer.from(`${encodeStateEntry(listed, NO_DATES)}\n`, 'utf8')
}

/** Reads the lines of a listing that comes in pieces, from a sender that need not be trusted. Memory: one line. */
export class ListingReader {
  #rest: Buffer = Buffer.alloc(0)
  #number = 0
  #endBytes = 0
  #last: string | undefined

  /** Entries so far. */
  get entries(): number {
    return this.#number
  }

  /**
   * The entries whose lines end in a piece.
   *
   * @throws BackupError IBT_STATE_INVALID, IBT_UNSAFE_PATH, IBT_OUT_OF_ORDER; IBT_ARCHIVE_CORRUPT for an endless line
   */
  *read(piece: Uint8Array): Generator<Listed, void, undefined> {
    const bytes = this.#rest.length === 0 ? asBuffer(piece) : Buffer.concat([this.#rest, piece])
    let from = 0
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, from)) {
      yield this.#decode(bytes.toString('utf8', from, end), end + 1 - from)
      from = end + 1
    }
    this.#rest = bytes.subarray(from)
    if (this.#rest.length > STATE_LINE_BYTES) throw damaged('a line of its listing is too long')
  }

  /** @throws BackupError IBT_ARCHIVE_CORRUPT if it ends in a line, or the sender has counted something else */
  end(entries: unknown): void {
    if (this.#rest.length > 0 || entries !== this.#number) throw damaged('its listing is not complete')
  }

  #decode(line: string, bytes: number): Listed {
    const { places: _, signature: __, signatureDigest: ___, ...entry } = decodeStateEntry(line, [])
    if (this.#last !== undefined) checkPathOrder(this.#last, entry.path)
    this.#last = entry.path
    this.#endBytes += bytes
    return { entry, number: this.#number++, endBytes: this.#endBytes }
  }
}

function damaged(what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `What the sender says is damaged: ${what}`)
}
