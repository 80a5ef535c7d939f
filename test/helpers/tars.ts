import { pack as createPack, type Header } from 'tar-stream'
import { bytesOf } from './entries.js'

/** A tar as tar-stream writes it. */
export async function tarOf(...entries: [Partial<Header> & { name: string; pax?: object }, (string | Buffer)?][]) {
  const pack = createPack()
  for (const [header, body] of entries) pack.entry({ mtime: new Date(0), ...header }, body ?? '')
  pack.finalize()
  return bytesOf(pack as AsyncIterable<Uint8Array>)
}

/** The first header of a tar with another type. */
export function retyped(tar: Buffer, flag: string): Buffer {
  const copy = Buffer.from(tar)
  copy.write(flag, 156, 'latin1')
  return summed(copy)
}

/** A sparse file of GNU's old form: extents of 512 bytes, the first four of which stand in its header. */
export async function oldSparseTar(offsets: readonly number[], sizeBytes: number): Promise<Buffer> {
  const tar = retyped(await tarOf([{ name: 's' }, Buffer.alloc(512 * offsets.length, 'x')], [{ name: 'z' }, 'z']), 'S')
  const maps: Buffer[] = []
  for (let at = 4; at < offsets.length; at += 21) {
    const block = Buffer.alloc(512)
    writeMap(block, 0, offsets.slice(at, at + 21))
    if (offsets.length > at + 21) block[504] = 1
    maps.push(block)
  }
  writeMap(tar, 386, offsets.slice(0, 4))
  tar[482] = maps.length === 0 ? 0 : 1
  tar.write(octal(sizeBytes), 483, 'latin1')
  // 'ustar', two blanks: the magic of GNU.
  tar.write('ustar  \0', 257, 'latin1')
  return Buffer.concat([summed(tar.subarray(0, 512)), ...maps, tar.subarray(512)])
}

function writeMap(block: Buffer, at: number, offsets: readonly number[]): void {
  for (const [i, offset] of offsets.entries()) block.write(octal(offset) + octal(512), at + 24 * i, 'latin1')
}

const octal = (value: number) => `${value.toString(8).padStart(11, '0')}\0`

function summed(header: Buffer): Buffer {
  header.fill(' ', 148, 156)
  const sum = header.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}
