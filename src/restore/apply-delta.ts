import type { Source } from '../types.js'
import { type Copied, DeltaReader } from './copies.js'
import { type OldVersion, readReused } from './reuse.js'
import type { SharedBlocks } from './shared-blocks.js'

/**
 * What a delta makes of old versions, one behind the other: its basis. It comes from somebody who need not be trusted: a
 * copy of what is not there ends the content early, and the digest of the caller says so. With `shared`, blocks of the old
 * versions become blocks of the new file where they can. Memory: one command and one chunk.
 *
 * @throws BackupError IBT_DELTA_CORRUPT, IBT_READ_FAILED
 */
export async function* applyDelta(
  delta: Source<Uint8Array>,
  olds: readonly OldVersion[],
  shared?: SharedBlocks
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new DeltaReader()
  let position = 0
  for await (const piece of delta) {
    for (const command of reader.read(piece)) {
      if (command instanceof Uint8Array) {
        yield command
        position += command.length
        continue
      }
      const end = position + command.sizeBytes
      for (const { old, oldAt, sizeBytes } of partsOf(command, olds)) {
        const partEnd = position + sizeBytes
        for await (const chunk of readReused({ sizeBytes, oldAt }, { position, old, shared })) {
          yield chunk
          position += chunk.length
        }
        if (position < partEnd) return
      }
      if (position < end) return
    }
  }
  reader.end()
}

/** The parts of a copy that are in one old version each. */
function* partsOf({ position, sizeBytes }: Copied, olds: readonly OldVersion[]) {
  let begin = 0
  for (const old of olds) {
    const [from, to] = [Math.max(position, begin), Math.min(position + sizeBytes, begin + old.sizeBytes)]
    if (from < to) yield { old, oldAt: from - begin, sizeBytes: to - from }
    begin += old.sizeBytes
  }
}
