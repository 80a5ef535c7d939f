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

/** Views of what native/fs/stat.cc packs: one column behind the other in this order. */
export function statColumns(columns: ArrayBuffer, count: number): StatColumns {
  const narrow = 40 * count
  return {
    sizes: new Float64Array(columns, 0, count),
    devs: new BigUint64Array(columns, 8 * count, count),
    inos: new BigUint64Array(columns, 16 * count, count),
    mtimesNs: new BigInt64Array(columns, 24 * count, count),
    ctimesNs: new BigInt64Array(columns, 32 * count, count),
    modes: new Uint32Array(columns, narrow, count),
    uids: new Uint32Array(columns, narrow + 4 * count, count),
    gids: new Uint32Array(columns, narrow + 8 * count, count),
    nlinks: new Uint32Array(columns, narrow + 12 * count, count),
    devMajors: new Uint32Array(columns, narrow + 16 * count, count),
    devMinors: new Uint32Array(columns, narrow + 20 * count, count),
    errnos: new Int32Array(columns, narrow + 24 * count, count),
    types: new Uint8Array(columns, narrow + 28 * count, count),
    sparse: new Uint8Array(columns, narrow + 29 * count, count)
  }
}
