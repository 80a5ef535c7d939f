import { tmpdir } from 'node:os'
import { PART_BYTES } from '../constants.js'
import type { OpenedRange, ReadRange, Source } from '../types.js'
import { Spool } from './spool.js'

/** Closes the spools of readers that are gone: who reads archives does not say when it is done. */
const forgotten = new FinalizationRegistry<Spool>(spool => {
  spool.close().catch(() => {})
})

/**
 * All bytes of a source, for reading at any place. Memory: `PART_BYTES`; a longer source is spooled into a file without a
 * name in the system's temporary directory, which goes with the last reader, or with the process.
 *
 * @throws BackupError IBT_WRITE_FAILED; whatever the source throws
 */
export async function holdAll(source: Source<Uint8Array>): Promise<OpenedRange> {
  const parts: Uint8Array[] = []
  let partsBytes = 0
  let spool: Spool | undefined
  try {
    for await (const bytes of source) {
      if (spool === undefined && partsBytes + bytes.length > PART_BYTES) {
        spool = new Spool(tmpdir())
        for (const part of parts.splice(0)) await spool.append(part)
      }
      if (spool !== undefined) await spool.append(bytes)
      else {
        parts.push(bytes)
        partsBytes += bytes.length
      }
    }
  } catch (error) {
    await spool?.close()
    throw error
  }
  if (spool !== undefined) return fromSpool(spool)
  const whole = Buffer.concat(parts)
  return { sizeBytes: whole.length, read: async (start, end) => whole.subarray(start, end) }
}

function fromSpool(spool: Spool): OpenedRange {
  const read: ReadRange = async (start, end) => {
    const chunks: Uint8Array[] = []
    for await (const chunk of spool.read({ offset: start, sizeBytes: end - start })) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
  forgotten.register(read, spool)
  return { sizeBytes: spool.sizeBytes, read }
}
