import type { FindCodec } from '../../codec/index.js'
import { SentState } from '../../exchange/sent-state.js'
import { Cursor } from '../../flow/cursor.js'
import { pipe } from '../../interop/pipe.js'
import { encode } from '../../stages/encode.js'
import { encrypt } from '../../stages/encrypt.js'
import {
  type BackupId,
  type Chunk,
  type Cipher,
  type Counted,
  isChunk,
  isPiece,
  isSealed,
  type Piece,
  type Sealed,
  type Source,
  type Stage,
  type StageContext
} from '../../types.js'

/** How what was sent is sealed anew. */
export interface ResealOptions {
  readonly backup: BackupId
  readonly cipher: Cipher
  readonly find: FindCodec
}

/**
 * Encrypts the artifacts of one backup that was sent in plain text. The closing line of its state then names them as they
 * are stored; its other lines stay byte for byte, compressed as they were. It stands behind `checkSent`, which has read the state.
 *
 * Consumes and yields `Chunk` and `Sealed`; `Counted` passes on. The state's last bytes come when all has been sent.
 * Memory: one frame and one line of the state, decoded, and what `encrypt` and `encode` take.
 */
export function reseal({ backup, cipher, find }: ResealOptions): Stage<Chunk | Sealed | Counted> {
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
    /** What compresses the state is known when its first piece has come. */
    async function* encodeState(items: Source<Chunk | Sealed | Counted | Piece>, context: StageContext = {}) {
      const cursor = new Cursor(items)
      try {
        for (let next = await cursor.next(); !next.done; next = await cursor.next()) {
          if (isPiece(next.value)) return yield* encode(state.codec, backup)(from(next.value, cursor), context)
          yield next.value
        }
      } finally {
        await cursor.close()
      }
    }
    try {
      const opened = pipe(source, openState, encrypt(cipher) as Stage<Chunk | Sealed | Counted | Piece>, context)
      yield* pipe(opened, closeState, encodeState, encrypt(cipher), context)
    } finally {
      await state.close()
    }
  }
}

/** An item, and those that a cursor has left. */
async function* from<T>(first: T, cursor: Cursor<T>): AsyncGenerator<T, void, undefined> {
  yield first
  for (let next = await cursor.next(); !next.done; next = await cursor.next()) yield next.value
}
