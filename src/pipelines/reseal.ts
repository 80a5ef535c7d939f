import type { FindCodec } from '../codec/index.js'
import { SentState } from '../exchange/sent-state.js'
import { pipe } from '../interop/pipe.js'
import { encode } from '../stages/encode.js'
import { encrypt } from '../stages/encrypt.js'
import {
  type BackupId,
  type Chunk,
  type Cipher,
  type Codec,
  type Counted,
  isChunk,
  isSealed,
  type Piece,
  type Sealed,
  type Source,
  type Stage
} from '../types.js'

/** How what was sent is sealed anew. */
export interface ResealOptions {
  readonly backup: BackupId
  readonly cipher: Cipher
  /** Compresses the state. */
  readonly codec: Codec
  readonly find: FindCodec
}

/**
 * Encrypts the artifacts of one backup that was sent in plain text. The closing line of its state then names them as they
 * are stored; its other lines stay byte for byte. It stands behind `checkSent`, which has read the state.
 *
 * Consumes and yields `Chunk` and `Sealed`; `Counted` passes on. The state's last bytes come when all has been sent.
 * Memory: one frame and one line of the state, decoded, and what `encrypt` and `encode` take.
 */
export function reseal({ backup, cipher, codec, find }: ResealOptions): Stage<Chunk | Sealed | Counted> {
  return async function* resealStage(source, context = {}) {
    const state = new SentState(find)
    const sealed: Sealed[] = []

    async function* openState(items: typeof source): AsyncGenerator<Chunk | Sealed | Counted | Piece> {
      for await (const item of items) {
        if (isChunk(item) && item.kind === 'state') yield* state.add(item)
        else if (isSealed(item) && item.kind === 'state') yield* state.end()
        else yield item
      }
    }
    async function* closeState(items: Source<Chunk | Sealed | Counted | Piece>) {
      for await (const item of items) {
        if (isSealed(item)) sealed.push(item)
        yield item
      }
      yield* state.closing(backup.date, sealed)
    }
    try {
      const opened = pipe(source, openState, encrypt(cipher) as Stage<Chunk | Sealed | Counted | Piece>, context)
      yield* pipe(opened, closeState, encode(codec, backup), encrypt(cipher), context)
    } finally {
      await state.close()
    }
  }
}
