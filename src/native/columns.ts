/** Metadata of many files, a column a field. Strings are bytes, one behind the other, each ended by NUL. */
export interface StatColumns {
  /** `FileType`; 0 if stat failed. */
  readonly types: Uint8Array
  /** 1 for a regular file with holes. */
  readonly sparse: Uint8Array
  /** `& 0o7777`. */
  readonly modes: Uint32Array
  readonly uids: Uint32Array
  readonly gids: Uint32Array
  readonly nlinks: Uint32Array
  readonly sizes: Float64Array
  readonly devs: BigUint64Array
  readonly inos: BigUint64Array
  readonly mtimesNs: BigInt64Array
  readonly ctimesNs: BigInt64Array
  readonly devMajors: Uint32Array
  readonly devMinors: Uint32Array
  /** Why stat failed for a file; 0 if it did not. */
  readonly errnos: Int32Array
}

/** Columns that are looked at for few entries. */
type Rare = Pick<
  StatColumns,
  'devs' | 'inos' | 'mtimesNs' | 'ctimesNs' | 'modes' | 'uids' | 'gids' | 'devMajors' | 'devMinors'
>

/**
 * Views of what native/fs/stat.cc packs: one column behind the other in this order. Of most directories of a tree only
 * the addon looks at all columns, and a view takes more memory than a column: the rarer ones are made when asked for.
 */
export class PackedColumns implements StatColumns {
  /** All columns. */
  readonly columns: Uint8Array
  readonly sizes: Float64Array
  readonly nlinks: Uint32Array
  readonly errnos: Int32Array
  readonly types: Uint8Array
  readonly sparse: Uint8Array
  #rare: Rare | undefined

  constructor(
    packed: ArrayBuffer,
    readonly count: number
  ) {
    this.columns = new Uint8Array(packed)
    this.sizes = new Float64Array(packed, 0, count)
    this.nlinks = new Uint32Array(packed, 52 * count, count)
    this.errnos = new Int32Array(packed, 64 * count, count)
    this.types = new Uint8Array(packed, 68 * count, count)
    this.sparse = new Uint8Array(packed, 69 * count, count)
  }

  /** Numbers of the devices that they are on. */
  get devs(): BigUint64Array {
    return this.#others.devs
  }

  /** Numbers of their inodes. */
  get inos(): BigUint64Array {
    return this.#others.inos
  }

  /** Times of the last change of a content, in nanoseconds since 1970. */
  get mtimesNs(): BigInt64Array {
    return this.#others.mtimesNs
  }

  /** Times of the last change of an inode. */
  get ctimesNs(): BigInt64Array {
    return this.#others.ctimesNs
  }

  /** `& 0o7777`. */
  get modes(): Uint32Array {
    return this.#others.modes
  }

  /** Numbers of their users. */
  get uids(): Uint32Array {
    return this.#others.uids
  }

  /** Numbers of their groups. */
  get gids(): Uint32Array {
    return this.#others.gids
  }

  /** Of a device file. */
  get devMajors(): Uint32Array {
    return this.#others.devMajors
  }

  /** Of a device file. */
  get devMinors(): Uint32Array {
    return this.#others.devMinors
  }

  get #others(): Rare {
    return (this.#rare ??= rareColumns(this.columns.buffer as ArrayBuffer, this.count))
  }
}

function rareColumns(packed: ArrayBuffer, count: number): Rare {
  return {
    devs: new BigUint64Array(packed, 8 * count, count),
    inos: new BigUint64Array(packed, 16 * count, count),
    mtimesNs: new BigInt64Array(packed, 24 * count, count),
    ctimesNs: new BigInt64Array(packed, 32 * count, count),
    modes: new Uint32Array(packed, 40 * count, count),
    uids: new Uint32Array(packed, 44 * count, count),
    gids: new Uint32Array(packed, 48 * count, count),
    devMajors: new Uint32Array(packed, 56 * count, count),
    devMinors: new Uint32Array(packed, 60 * count, count)
  }
}
