import * as zlib from 'node:zlib'
import { decodeForeignZstd } from '../../codec/index.js'
import { BackupError, isBackupError } from '../../errors.js'
import { ByteReader } from '../../format/byte-reader.js'
import { fromNodeTransform, type NodeDuplex } from '../../interop/node.js'
import type { Source, StageContext } from '../../types.js'

const MAGIC_BYTES = 6

/** What a compressed stream begins with. A zstd stream may begin with a skippable frame, the number of which is its last digit. */
const FORMATS: readonly { readonly name: string; readonly magic: RegExp; readonly command?: string }[] = [
  { name: 'gzip', magic: /^1f8b/ },
  { name: 'zstd', magic: /^(28b52ffd|5.2a4d18)/ },
  { name: 'bzip2', magic: /^425a68/, command: 'bzip2 -dc' },
  { name: 'xz', magic: /^fd377a585a00/, command: 'xz -dc' },
  { name: 'lz4', magic: /^04224d18/, command: 'lz4 -dc' },
  { name: 'compress', magic: /^1f9d/, command: 'uncompress -c' }
]

/**
 * Decompresses a stream that begins as gzip or zstd do; any other passes as it is.
 *
 * Consumes bytes, cut anywhere; yields bytes. Look-ahead and memory: the buffers of zlib. Of a zstd stream, on a Node
 * without a zstd of its own (before 22.15), frames of up to 16 MiB.
 *
 * @throws BackupError IBT_CODEC_UNKNOWN for a compression that only its own tool reads, IBT_ARCHIVE_CORRUPT,
 * IBT_ARCHIVE_TRUNCATED; whatever the source throws.
 */
export async function* decompress(
  source: Source<Uint8Array>,
  context: StageContext = {}
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(source)
  try {
    const first = await reader.take(MAGIC_BYTES)
    const hex = Buffer.from(first).toString('hex')
    const format = FORMATS.find(({ magic }) => magic.test(hex))
    const bytes = rest(first, reader)
    if (format === undefined) yield* bytes
    else if (format.name === 'gzip') yield* throughNode(zlib.createGunzip(), format.name, bytes, context)
    else if (format.name === 'zstd') yield* decodeZstd(bytes, context)
    else {
      const message = `The tar is compressed with ${format.name}: decompress it first, ${format.command} FILE | …`
      throw new BackupError('IBT_CODEC_UNKNOWN', message)
    }
  } finally {
    await reader.close()
  }
}

async function* rest(first: Uint8Array, reader: ByteReader): AsyncGenerator<Uint8Array, void, undefined> {
  if (first.length > 0) yield first
  for (let bytes = await reader.some(Infinity); bytes.length > 0; bytes = await reader.some(Infinity)) yield bytes
}

async function* decodeZstd(bytes: Source<Uint8Array>, context: StageContext) {
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => NodeDuplex }
  if (createZstdDecompress !== undefined) yield* throughNode(createZstdDecompress(), 'zstd', bytes, context)
  else {
    try {
      yield* decodeForeignZstd(bytes, 'in zstd')
    } catch (cause) {
      if (!isBackupError(cause) || cause.code !== 'IBT_ARCHIVE_CORRUPT') throw cause
      const hint =
        'if its frames have more than 16 MiB, use Node 22.15 or later, or decompress it first, zstd -dc FILE | …'
      throw new BackupError(cause.code, `${cause.message}; ${hint}`, { cause })
    }
  }
}

/** What zlib says of damage, under codes of ours. */
async function* throughNode(
  stream: NodeDuplex,
  name: string,
  bytes: Source<Uint8Array>,
  context: StageContext
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* fromNodeTransform<Uint8Array, Uint8Array>(stream)(bytes, context)
  } catch (cause) {
    const { code } = Object(cause) as { readonly code?: unknown }
    if (isBackupError(cause) || typeof code !== 'string' || !/^(Z_|ZSTD_)/.test(code)) throw cause
    if (code === 'Z_BUF_ERROR')
      throw new BackupError('IBT_ARCHIVE_TRUNCATED', `The ${name} stream ends early`, { cause })
    throw new BackupError('IBT_ARCHIVE_CORRUPT', `The ${name} stream is damaged`, { cause })
  }
}
