import { PART_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { printPath } from '../path.js'
import type { Content, Entry } from '../types.js'
import { abortable, untilAbort } from './abortable.js'

/** The entry with the size of its content, where the entry does not know it and the content can find it out. */
export async function measured<T extends Entry>(entry: T, signal?: AbortSignal): Promise<T> {
  const { sizeBytes, content } = entry
  if (sizeBytes !== undefined || content?.measure === undefined) return entry
  return { ...entry, sizeBytes: await untilAbort(content.measure(), signal) }
}

/**
 * The entry with the size of its content: measured, or counted in memory up to `PART_BYTES`.
 *
 * @throws BackupError IBT_SIZE_UNKNOWN for a longer content that cannot be measured; whatever the content throws.
 */
export async function withKnownSize<T extends Entry>(entry: T, signal?: AbortSignal): Promise<T> {
  const known = await measured(entry, signal)
  const { path, sizeBytes, content } = known
  if (sizeBytes !== undefined || content === undefined) return known
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of abortable(content.open(), signal)) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > PART_BYTES) {
      const message = `${printPath(path)} is larger than ${PART_BYTES} bytes and its size is not known`
      throw new BackupError('IBT_SIZE_UNKNOWN', message, { path })
    }
  }
  const inMemory: Content = { open: () => chunks }
  return { ...known, sizeBytes: bytes, content: inMemory }
}
