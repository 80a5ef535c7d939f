import { createRequire as requireFrom } from 'node:module'
import * as nodeZlib from 'node:zlib'
import { BackupError } from '../errors.js'
import { asBuffer } from '../format/byte-reader.js'

/** One-shot zstd in libuv's pool. */
export interface ZstdLibrary {
  compress(bytes: Uint8Array, level: number): Promise<Uint8Array>
  /** `maxBytes` need not be honoured: the caller has bounded the frame. */
  decompress(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array>
}

type Callback = (error: Error | null, result: Buffer) => void

/** What Node has from 22.15 on. */
interface ZlibWithZstd {
  readonly constants: { readonly ZSTD_c_compressionLevel: number }
  zstdCompress(bytes: Uint8Array, options: { params: Record<number, number> }, callback: Callback): void
  zstdDecompress(bytes: Uint8Array, options: { maxOutputLength: number }, callback: Callback): void
}

interface MongoZstd {
  compress(bytes: Buffer, level: number): Promise<Buffer>
  decompress(bytes: Buffer): Promise<Buffer>
}

let loaded: ZstdLibrary | undefined

/** Whether this machine has a zstd. */
export function hasZstd(): boolean {
  try {
    zstdLibrary()
    return true
  } catch {
    return false
  }
}

/**
 * `@mongodb-js/zstd`, loaded at the first call: a frame takes it half the processor time that Node's own zstd takes, which
 * makes a stream for each. Node's (22.15), where it does not load.
 * @throws BackupError IBT_NATIVE if there is neither.
 */
export function zstdLibrary(): ZstdLibrary {
  return (loaded ??= load())
}

function load(): ZstdLibrary {
  try {
    return fromMongo()
  } catch (cause) {
    const own = zstdOf(nodeZlib)
    if (own !== undefined) return own
    throw new BackupError(
      'IBT_NATIVE',
      'Cannot load zstd: the binary of @mongodb-js/zstd for this platform is not installed, and this Node has none. ' +
        'Use Node 22.15 or later, or reinstall with optional dependencies; gzip works everywhere',
      { cause }
    )
  }
}

/** Node's own zstd; undefined where it has none. */
export function zstdOf(zlib: object): ZstdLibrary | undefined {
  if (typeof (zlib as Partial<ZlibWithZstd>).zstdCompress !== 'function') return undefined
  const { constants, zstdCompress, zstdDecompress } = zlib as ZlibWithZstd
  return {
    compress: (bytes, level) =>
      settle(done => zstdCompress(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } }, done)),
    decompress: (bytes, maxBytes) =>
      settle(done => zstdDecompress(bytes, { maxOutputLength: Math.max(1, maxBytes) }, done))
  }
}

function settle(start: (done: Callback) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    start((error, result) => (error === null ? resolve(result) : reject(error)))
  })
}

/**
 * The bindings themselves: the package's own wrapper drops the level. The binary for glibc is tried by its name, because
 * to find out which one fits, the package asks for a report on the whole process, which takes 5 ms of every run.
 */
function fromMongo(): ZstdLibrary {
  const load = requireFrom(import.meta.url ?? __filename)
  const bindings = load.resolve('@mongodb-js/zstd/bindings.js')
  const { compress, decompress } = (glibcBinary(requireFrom(bindings)) ?? load(bindings)) as MongoZstd
  return {
    compress: (bytes, level) => compress(asBuffer(bytes), level),
    decompress: bytes => decompress(asBuffer(bytes))
  }
}

function glibcBinary(load: NodeJS.Require): unknown {
  if (process.platform !== 'linux') return undefined
  try {
    return load(`@mongodb-js/zstd-linux-${process.arch}-gnu`)
  } catch {
    return undefined
  }
}
