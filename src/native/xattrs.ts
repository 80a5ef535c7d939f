import { decodePath, encodePath } from '../path.js'

/** Extended attributes of one entry; names are escaped as paths are. */
export type Xattrs = ReadonlyMap<string, Uint8Array>

/** Index of the directory that was listed. */
export const SELF = 0xffffffff

const HEAD_BYTES = 12
const NO_XATTRS = uint32s(0)
const NONE: ListedXattrs = { xattrs: new Map(), errnos: new Map(), captureErrnos: new Map() }

/** Attributes of the entries that have some, and why some, or a captured link, could not be read, by the entry's index. */
export interface ListedXattrs {
  readonly xattrs: ReadonlyMap<number, Xattrs>
  readonly errnos: ReadonlyMap<number, number>
  readonly captureErrnos: ReadonlyMap<number, number>
}

/** Takes the records of native/fs/xattrs.h apart; attributes in the order of their names. */
export function splitXattrs(records: Buffer): ListedXattrs {
  if (records.length === 0) return NONE
  const found = new Map<number, [name: string, value: Uint8Array][]>()
  const errnos = new Map<number, number>()
  const captureErrnos = new Map<number, number>()
  const head = new DataView(records.buffer, records.byteOffset, records.length)
  const isLittle = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1
  for (let at = 0; at < records.length; ) {
    const index = head.getUint32(at, isLittle)
    const nameEnd = at + HEAD_BYTES + head.getUint32(at + 4, isLittle)
    const end = nameEnd + head.getUint32(at + 8, isLittle)
    if (nameEnd === at + HEAD_BYTES) {
      const isOfAttributes = head.getInt32(nameEnd, isLittle) === 0
      const errnosOfPart = isOfAttributes ? errnos : captureErrnos
      errnosOfPart.set(index, head.getInt32(nameEnd + 4, isLittle))
      at = end
      continue
    }
    const list = found.get(index)
    const attribute: [string, Uint8Array] = [
      decodePath(records.subarray(at + HEAD_BYTES, nameEnd)),
      records.subarray(nameEnd, end)
    ]
    if (list === undefined) found.set(index, [attribute])
    else list.push(attribute)
    at = end
  }
  return {
    xattrs: new Map(Array.from(found, ([index, list]) => [index, new Map(list.sort(byName))])),
    errnos,
    captureErrnos
  }
}

/** A file system lists them in an order of its own. */
function byName([a]: [string, Uint8Array], [b]: [string, Uint8Array]): number {
  return a < b ? -1 : 1
}

/** Attributes for an operation, as native/fs/set_xattrs.h has them. */
export function encodeXattrs(xattrs: Xattrs): Uint8Array {
  if (xattrs.size === 0) return NO_XATTRS
  const parts: Uint8Array[] = [uint32s(xattrs.size)]
  for (const [name, value] of xattrs) {
    const bytes = encodePath(name)
    parts.push(uint32s(bytes.length, value.length), bytes, value)
  }
  return Buffer.concat(parts)
}

function uint32s(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer)
}
