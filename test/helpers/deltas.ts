import { createScanner, deltaBytes } from '../../src/native.js'
import type { Layer } from '../../src/types.js'
import { randomBytes } from '../native/tree.js'
import type { Random } from './random.js'

/** librsync's delta from one content to another. */
export async function deltaOf(basis: Uint8Array, content: Uint8Array, blockLen = 2048): Promise<Buffer> {
  const signer = createScanner({ sign: true, blockLen, strongLen: 16 })
  await signer.update(basis)
  return (await deltaBytes((await signer.finish()).signature, content)).delta
}

/** Inserts bytes, and moves, repeats and cuts parts, up to a number of bytes each. */
export function edited(content: Uint8Array, random: Random, editBytes = 5000): Buffer {
  const parts = [content]
  for (let edits = 1 + random.int(4); edits > 0; edits--) {
    const at = random.int(content.length + 1)
    const moved = content.subarray(at, at + random.int(editBytes))
    const kind = random.int(4)
    if (kind === 0) parts.push(randomBytes(1 + random.int(editBytes), random.int(2 ** 31)))
    else if (kind === 1) parts.push(moved)
    else if (kind === 2) parts.unshift(moved)
    else parts.unshift(parts.pop()!.subarray(random.int(editBytes)))
  }
  return Buffer.concat(parts)
}

/** A stored body, given in pieces of any size. */
export function layer(form: Layer['form'], bytes: Uint8Array, pieceBytes = 1 << 20): Layer {
  return {
    form,
    async *open() {
      for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
    }
  }
}
