import { BackupError } from '../errors.js'
import { decodeStateClosing, decodeStateHeader } from '../format/state-decode.js'
import type { Archive, StateClosing, StateHeader } from '../types.js'

/** First and last line of a state. */
export interface StateEnds {
  readonly header: StateHeader
  readonly closing: StateClosing
}

/** Reads both ends of a state, without what is between. @throws BackupError IBT_STATE_INVALID, IBT_STATE_VERSION */
export async function readEnds(archive: Archive): Promise<StateEnds> {
  const first = await lineOf(
    archive,
    length => ({ at: 0, length }),
    text => text.slice(0, text.indexOf('\n') + 1)
  )
  const last = await lineOf(
    archive,
    length => ({ at: Math.max(0, archive.sizeBytes - length), length }),
    text => text.slice(text.lastIndexOf('\n', text.length - 2) + 1 || text.length)
  )
  return { header: decodeStateHeader(first), closing: decodeStateClosing(last) }
}

/** A line at one end of an archive, of whatever length: looks at more and more bytes until it is whole. */
async function lineOf(
  archive: Archive,
  range: (length: number) => { readonly at: number; readonly length: number },
  pick: (text: string) => string
): Promise<string> {
  for (let length = 65_536; ; length *= 4) {
    const { at, length: wanted } = range(length)
    const bytes = await archive.read(at, Math.min(wanted, archive.sizeBytes - at))
    const line = pick(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
    if (line !== '') return line.trimEnd()
    if (length >= archive.sizeBytes) {
      throw new BackupError('IBT_STATE_INVALID', `${archive.name} is not a state: it has no lines`, {
        path: archive.name
      })
    }
  }
}
