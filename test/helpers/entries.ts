import { UnchangedSpan } from '../../src/change/unchanged.js'
import { isBackupError } from '../../src/errors.js'
import { Window } from '../../src/format/state-lines.js'
import type { Archive, Content, Entry, Source, StateEntry } from '../../src/types.js'

/** An entry with plain metadata. */
export function entry(path: string, rest: Partial<Entry> = {}): Entry {
  return { path, type: 'file', mode: 0o644, uid: 1, gid: 2, mtimeNs: 1_700_000_000_000_000_000n, ...rest }
}

export function directory(path: string, rest: Partial<Entry> = {}): Entry {
  return entry(path, { type: 'directory', mode: 0o755, ...rest })
}

/** A file whose chunks are in memory. */
export function file(path: string, body: string | Uint8Array, rest: Partial<Entry> = {}): Entry {
  const bytes = Buffer.from(body)
  return entry(path, { sizeBytes: bytes.length, content: content(bytes), ...rest })
}

export function content(...chunks: readonly Uint8Array[]): Content {
  return { open: () => chunks }
}

export function stateEntry(path: string, rest: Partial<StateEntry> = {}): StateEntry {
  return { ...entry(path), ...rest }
}

export async function collect<T>(source: Source<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

export async function bytesOf(source: Source<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await collect(source))
}

/** For `assert.rejects` and `assert.throws`. */
export const code = (expected: string) => (error: unknown) => isBackupError(error) && error.code === expected

/** An archive in memory. */
export function archiveOf(name: string, bytes: Uint8Array): Archive {
  return {
    name,
    sizeBytes: bytes.length,
    read: async (offset, length) => bytes.slice(offset, offset + length),
    async *bytes(offset, length) {
      yield bytes.slice(offset, offset + length)
    }
  }
}

/** A content that gives some bytes and then nothing more, ever; `onPark` is called then. */
export function parkedContent(bytes: number, onPark: () => void): Content {
  return {
    async *open() {
      yield Buffer.alloc(bytes)
      setImmediate(onPark)
      await new Promise(() => {})
    }
  }
}

/** Lines of an unchanged entry, without a content: only what they take in memory counts. */
export function unchangedLines(sizeBytes: number): UnchangedSpan {
  const place = () => ({ path: 'z', type: 'fifo' as const })
  const lines = { window: new Window(Buffer.alloc(sizeBytes)), start: 0, end: sizeBytes, chain: [] }
  return new UnchangedSpan(Buffer.from('/'), lines, 1, 0, 0, Buffer.alloc(0), place, place)
}
