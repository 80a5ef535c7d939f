import { type ComparedSpan, isComparedSpan } from '../change/compared.js'
import { SIGNATURE_BYTES, SIGNED_MIN_BYTES } from '../constants.js'
import { batchStage, isBatch } from '../flow/batches.js'
import { batchOf, type Change, isEntry, type SignaturePlace, type Stage } from '../types.js'
import type { Asker } from './asker.js'

/** Signatures that were asked for ahead and that nobody has taken yet, at most: those that are not wanted go first. */
const AHEAD = 4096

/** Signatures in the receiver's store. */
export class RemoteSignatures {
  readonly #ahead = new Map<string, Promise<Buffer | undefined>>()

  constructor(readonly asker: Asker) {}

  readonly read = (place: SignaturePlace): Promise<Uint8Array | undefined> => {
    const id = idOf(place)
    const found = this.#ahead.get(id)
    this.#ahead.delete(id)
    return found ?? this.#ask(place)
  }

  /** Asks now for what will be read soon. */
  askFor(change: Change): void {
    const { signature } = change.previous ?? {}
    if (change.change !== 'updated' || change.basis === undefined || signature === undefined) return
    const id = idOf(signature)
    if (this.#ahead.has(id)) return
    const [oldest] = this.#ahead.keys()
    if (this.#ahead.size === AHEAD) this.#ahead.delete(oldest!)
    const answer = this.#ask(signature)
    answer.catch(() => {})
    this.#ahead.set(id, answer)
  }

  #ask({ date, offset }: SignaturePlace): Promise<Buffer | undefined> {
    return this.asker.ask({ ask: 'signature', date, offset }, SIGNATURE_BYTES)
  }
}

/**
 * Asks for the signatures of changed files before `sign` reads these: all that it reads ahead costs one way there and
 * back.
 *
 * Consumes and yields `Change`, in batches and singly, as they are; other items pass on. Order kept. No look-ahead.
 * Memory: the signatures of what `sign` reads ahead, and up to `AHEAD` that it has no use for.
 */
export function askAhead(signatures: RemoteSignatures): Stage<Change> {
  return batchStage<Change>(async function* askAheadStage(source) {
    for await (const item of source) {
      if (!isBatch(item)) {
        if (isEntry(item)) signatures.askFor(item)
      } else if (isComparedSpan(item)) askForSpan(item, signatures)
      else if (item[batchOf] === 'items') for (const change of item) if (isEntry(change)) signatures.askFor(change)
      yield item
    }
  })
}

function askForSpan(span: ComparedSpan, signatures: RemoteSignatures): void {
  const { directory, begin, kinds } = span
  for (const [at, kind] of kinds.entries()) {
    const isSigned = kind === 'updated' && directory.listing.sizes[begin + at]! >= SIGNED_MIN_BYTES
    if (isSigned) signatures.askFor(span.change(begin + at))
  }
}

function idOf({ date, offset }: SignaturePlace): string {
  return `${date} ${offset}`
}
