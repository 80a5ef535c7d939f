// Compiled, never run: what must not fit together does not compile.
import { createWriteStream } from 'node:fs'
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { Transform as StreamxTransform, Writable as StreamxWritable } from 'streamx'
import { extract, pack as tarPack } from 'tar-stream'
import { compose, fromTar, fromWire, pipe, tee, toTarStream, toWire } from '../src/interop/index.js'
import type {
  Change,
  Chunk,
  Counted,
  Entry,
  Packed,
  Piece,
  Sealed,
  Sink,
  Source,
  Stage,
  StateEntry
} from '../src/types.js'

declare const entries: AsyncGenerator<Entry, void, undefined>
declare const bytes: Source<Uint8Array>
declare const signal: AbortSignal
declare const keep: Stage<Entry>
declare const diff: Stage<Entry, Change>
declare const pack: Stage<Entry, Packed | Piece>
declare const encode: Stage<Packed | Piece, Packed | Chunk | Sealed>
declare const chunks: Source<Chunk | Sealed | Counted>
declare const only: Stage<object, Uint8Array>
declare const publish: Sink<Packed | Chunk | Sealed, { files: number }>
declare const store: Sink<Packed | Chunk | Sealed | Counted, { files: number }>
declare const count: Sink<Chunk | Sealed | Counted, number>
declare const socket: Socket
declare const writable: Writable

/** Holds only if both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function check<_T extends true>(): void {}

export function fits(): void {
  const published = pipe(entries, keep, diff, pack, encode, publish, { signal })
  check<Same<typeof published, Promise<{ files: number }>>>()
  const changes = pipe(entries, keep, diff)
  check<Same<typeof changes, AsyncGenerator<Change, void, undefined>>>()
  const written = pipe(entries, pack, only, createGzip(), createWriteStream('x'))
  check<Same<typeof written, Promise<void>>>()
  for (const sink of [socket, writable] as const) {
    const done = pipe(bytes, sink)
    check<Same<typeof done, Promise<void>>>()
  }
  const viaStreamx = pipe(bytes, new StreamxTransform(), new StreamxWritable())
  check<Same<typeof viaStreamx, Promise<void>>>()
  const viaWeb = pipe(bytes, new CompressionStream('gzip'), new WritableStream<Uint8Array>())
  check<Same<typeof viaWeb, Promise<void>>>()
  const extracted = pipe(bytes, extract())
  check<Same<typeof extracted, Promise<void>>>()
  const zipped = pipe(bytes, createGzip())
  check<Same<typeof zipped, AsyncGenerator<unknown, void, undefined>>>()
  const stage = compose(keep, diff, pack)
  check<Same<typeof stage, Stage<Entry, Packed | Piece>>>()
  const many = pipe(entries, keep, keep, keep, keep, keep, keep, keep, keep, keep, keep, keep, diff, { signal })
  check<Same<typeof many, AsyncGenerator<Change, void, undefined>>>()
  pipe(bytes, fromTar, keep, toTarStream(tarPack()))
  const sent = pipe(chunks, toWire(), socket)
  check<Same<typeof sent, Promise<void>>>()
  const received = pipe(socket, fromWire(), tee(store, count, writable))
  check<Same<Awaited<typeof received>[1], number>>()
  const sum = pipe([1, 2], async (items: Source<number>) => items)
  check<Same<typeof sum, Promise<Source<number>>>>()
}

export function doesNotFit(states: Source<StateEntry>): void {
  // @ts-expect-error entries are nothing that can be published
  pipe(entries, publish)
  // @ts-expect-error encode takes what pack gives
  pipe(entries, keep, encode, publish)
  // @ts-expect-error bytes are no entries
  pipe(bytes, keep)
  // @ts-expect-error pieces cannot be published before they are encoded
  pipe(entries, keep, diff, pack, publish, { signal })
  // @ts-expect-error a stage in the middle of a composition that does not fit
  compose(diff, encode)
  // @ts-expect-error entries are not carried over a wire
  pipe(entries, toWire())
  // @ts-expect-error a sink of entries among those of chunks
  tee(store, async (items: Source<StateEntry>) => items)
  // @ts-expect-error nothing comes after a sink
  pipe(entries, pack, encode, publish, keep)
  // @ts-expect-error an option that does not exist
  pipe(entries, keep, { signals: signal })
  // @ts-expect-error a source alone is no pipeline
  pipe(entries)
  // @ts-expect-error a readable is no step
  pipe(states, states)
}
