import { bufferedTarBody, placeOfBody, smallTarBody, TOGETHER_BYTES, tarBody } from '../codec/tar-body.js'
import { CHUNK_BYTES } from '../constants.js'
import type { Archive, BodyBlocks, Layer, OpenArchive, Place } from '../types.js'

interface TarPlace {
  readonly path: string
  readonly offset: number
  readonly sizeBytes: number | undefined
}

/** A body in an archive. It is a class, so that spreading one to replace `open` does not copy `read`. */
export class StoredLayer implements Layer {
  readonly form: Layer['form']
  readonly #place: Place
  readonly #body: TarPlace
  readonly #archives: OpenArchive

  constructor(place: Place, body: TarPlace, archives: OpenArchive) {
    this.form = place.in === 'updated' ? 'delta' : 'whole'
    this.#place = place
    this.#body = body
    this.#archives = archives
  }

  async *open(): AsyncGenerator<Uint8Array, void, undefined> {
    yield* tarBody(await this.#archive(), this.#body)
  }

  get read(): (() => Promise<Uint8Array>) | undefined {
    const sizeBytes = this.#smallBytes
    if (sizeBytes === undefined) return undefined
    return async () => smallTarBody(await this.#archive(), { ...this.#body, sizeBytes })
  }

  get blocks(): (() => Promise<BodyBlocks | undefined>) | undefined {
    return this.form === 'whole' ? () => this.#blocks() : undefined
  }

  async #blocks(): Promise<BodyBlocks | undefined> {
    const archive = await this.#archive()
    const place = await placeOfBody(archive, this.#body)
    if (place === undefined) return undefined
    const { start, sizeBytes } = place
    return {
      sizeBytes,
      at: async position => {
        const frame = await frameAt(await this.#archive(), start + position)
        const from = Math.max(0, start - frame.start)
        return { start: frame.start + from - start, bytes: frame.bytes.subarray(from, start + sizeBytes - frame.start) }
      }
    }
  }

  /** A small body that is in memory already. Only its digest tells whether it is the right one. */
  inMemory(): Uint8Array | undefined {
    const sizeBytes = this.#smallBytes
    if (sizeBytes === undefined) return undefined
    const archive = this.#archive()
    return 'then' in archive ? undefined : bufferedTarBody(archive, this.#body.offset, sizeBytes)
  }

  get #smallBytes(): number | undefined {
    const { sizeBytes } = this.#body
    return this.form === 'delta' || sizeBytes === undefined || sizeBytes > TOGETHER_BYTES ? undefined : sizeBytes
  }

  #archive(): Archive | Promise<Archive> {
    return this.#archives(this.#place.date, this.#place.in)
  }
}

async function frameAt(archive: Archive, offset: number): Promise<{ start: number; bytes: Uint8Array }> {
  if (archive.frame !== undefined) return archive.frame(offset)
  const start = offset - (offset % CHUNK_BYTES)
  return { start, bytes: await archive.read(start, Math.min(CHUNK_BYTES, archive.sizeBytes - start)) }
}
