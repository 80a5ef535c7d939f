import { FileType } from '../native.js'
import { decodePath } from '../path.js'
import type { EntryType } from '../types.js'

/** What a listing's types are; undefined for a type that no backup knows. */
export const ENTRY_TYPES: Readonly<Record<number, EntryType>> = {
  [FileType.file]: 'file',
  [FileType.directory]: 'directory',
  [FileType.symlink]: 'symlink',
  [FileType.fifo]: 'fifo',
  [FileType.socket]: 'socket',
  [FileType.characterDevice]: 'character-device',
  [FileType.blockDevice]: 'block-device'
}

/** A name between two NULs can be decoded with its neighbours: no sequence of bytes crosses a NUL. */
export function splitNames(names: Buffer): string[] {
  return names.length === 0 ? [] : decodePath(names.subarray(0, -1)).split('\0')
}
