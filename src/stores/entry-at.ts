import { BackupError } from '../errors.js'
import { decodeStateEntry } from '../format/state-decode.js'
import type { Archive, ChainLink, MergedEntry } from '../types.js'

/** Bytes of most lines of a state. */
const LINE_BYTES = 2048

/** The entry whose line begins at an offset of a state. @throws BackupError IBT_STATE_INVALID */
export async function entryAt(archive: Archive, offset: number, chain: readonly ChainLink[]): Promise<MergedEntry> {
  for (let length = LINE_BYTES; ; length *= 4) {
    const wanted = Math.min(length, archive.sizeBytes - offset)
    const bytes = await (archive.view?.(offset, wanted) ?? archive.read(offset, wanted))
    const end = bytes.indexOf(0x0a)
    if (end >= 0) return decodeStateEntry(Buffer.from(bytes.buffer, bytes.byteOffset, end).toString('utf8'), chain)
    if (wanted < length) {
      throw new BackupError('IBT_STATE_INVALID', `${archive.name} ends in a line`, { path: archive.name })
    }
  }
}
