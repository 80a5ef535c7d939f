import { BackupError } from '../../errors.js'
import type { Chain, NeededArtifact } from '../../stores/chain.js'
import type { StoredName } from '../../types.js'
import type { Progress } from '../options.js'

/**
 * The artifacts of some dates, oldest date first, each once, and each state behind all that it needs. A sigvault that is
 * gone is left out.
 */
export async function neededBy(chain: Chain, dates: readonly string[]): Promise<NeededArtifact[]> {
  const needed = new Map<string, NeededArtifact>()
  for (const date of dates) {
    // The first one is the date's own state, and before it come those that it refers to.
    const artifacts = (await chain.needs(date)).toReversed()
    const states = artifacts.filter(({ kind }) => kind === 'state')
    for (const artifact of [...artifacts.filter(({ kind }) => kind !== 'state'), ...states]) {
      const isGone = artifact.kind === 'sigvault' && !chain.has(artifact.date, 'sigvault')
      if (!isGone && !needed.has(artifact.name)) needed.set(artifact.name, artifact)
    }
  }
  return [...needed.values()]
}

/** Before a byte goes out. @throws BackupError IBT_BASIS_MISSING */
export function checkStored(artifacts: readonly NeededArtifact[], stored: readonly StoredName[]): void {
  const sizes = new Map(stored.map(({ name, sizeBytes }) => [name, sizeBytes]))
  for (const { name, sizeBytes } of artifacts) {
    const found = sizes.get(name)
    if (found === sizeBytes) continue
    const what = found === undefined ? 'is not in the store' : `has ${found} bytes, not ${sizeBytes}`
    throw new BackupError('IBT_BASIS_MISSING', `${name} ${what}`, { path: name })
  }
}

/** Counts artifacts and bytes on their way. */
export class TransferCounter {
  artifacts = 0
  #sizeBytes = 0
  readonly #total: Progress['total']

  constructor(
    artifacts: number,
    sizeBytes: number,
    readonly onProgress: ((progress: Progress) => void) | undefined
  ) {
    this.#total = { entries: artifacts, files: artifacts, sizeBytes }
  }

  async *pass(path: string, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const bytes of source) {
      this.#sizeBytes += bytes.length
      const sizeBytes = this.#sizeBytes
      const { artifacts } = this
      const counts = { entries: artifacts, files: artifacts, sizeBytes, storedBytes: sizeBytes }
      this.onProgress?.({ path, ...counts, total: this.#total })
      yield bytes
    }
  }
}
