import { batchesOf, isBatch, toBatch, toBatchSource } from '../flow/batches.js'
import { createBreather } from '../flow/breathe.js'
import { Cursor } from '../flow/cursor.js'
import type { StateReader } from '../format/state-reader.js'
import { comparePaths } from '../path.js'
import type {
  Archive,
  BatchSource,
  ChainLink,
  MergedEntry,
  Place,
  PlaceName,
  Source,
  StateEntry,
  StateHeader
} from '../types.js'
import { entryAt } from './entry-at.js'
import { hashText, KeyIndex } from './key-index.js'

/** Entries of one key that are remembered: those of one content are equals, of which one is enough. */
const LOOKS = 8

/** A merged state, by the date in its name and the one that it stands for. */
export interface MergedState {
  readonly stateDate: string
  readonly asOf: string
}

/** What merged states are read from. */
export interface MergedStates {
  /** As `written`, from the path on where the reading begins. */
  begun(stateDate: string): Promise<StateReader>
  /** The state under the date in its name, with the places that it was written with. */
  written(stateDate: string): Promise<StateReader>
  /** The newest merged state whose places take the place of some in the state of a header. */
  mergedFor(header: StateHeader): MergedState | undefined
  openState(stateDate: string): Promise<Archive>
}

/**
 * A state with the places that its contents have now: where a merged state stands for a backup that it builds on, the
 * bodies up to that date are those of the merged state. A state for which nothing was merged is given back as it is.
 *
 * Reads the merged state in step with the entries. Of renamed files it asks an index, which is made at the first such
 * question, in one more reading.
 * Memory: one decoded frame for each merged state that applies; with the index 16 to 32 bytes for each of its files.
 */
export async function withMergedPlaces(state: StateReader, states: MergedStates): Promise<StateReader> {
  const base = await openBase(state.header, states).catch(async error => {
    await state.close()
    throw error
  })
  if (base === undefined) return state
  return {
    header: state.header,
    get offset() {
      return state.offset
    },
    entries: () => base.replaceIn(state.entries()),
    closing: () => state.closing(),
    async close() {
      await base.close()
      await state.close()
    }
  }
}

/** The places of a chain, by their order: that of a merged backup is the date that it stands for. */
export function orderIn(chain: readonly ChainLink[]): (date: string) => string {
  const asOf = new Map(chain.flatMap(link => (link.asOf === undefined ? [] : [[link.date, link.asOf] as const])))
  return asOf.size === 0 ? date => date : date => asOf.get(date) ?? date
}

/** The links of a chain, one for each backup: of one that was merged in segments, the last. */
export function backupLinks(chain: readonly ChainLink[]): readonly ChainLink[] {
  return chain.filter(({ asOf }, i) => asOf === undefined || asOf !== chain[i + 1]?.asOf)
}

async function openBase(header: StateHeader, states: MergedStates): Promise<Base | undefined> {
  const merged = states.mergedFor(header)
  if (merged === undefined) return undefined
  const state = await states.begun(merged.stateDate)
  try {
    return new Base(states, merged, orderIn(header.chain), state, await openBase(state.header, states))
  } catch (error) {
    await state.close()
    throw error
  }
}

/** The merged state that another state builds on. */
class Base {
  #index: Promise<KeyIndex> | undefined

  constructor(
    readonly states: MergedStates,
    readonly merged: MergedState,
    /** Of the places in the other state. */
    readonly orderOf: (date: string) => string,
    readonly state: StateReader,
    readonly under: Base | undefined
  ) {}

  async close(): Promise<void> {
    await this.under?.close()
    await this.state.close()
  }

  get #entries(): BatchSource<MergedEntry> {
    const entries = this.state.entries()
    return this.under?.replaceIn(entries, { keepsNames: true }) ?? entries
  }

  /** The entries with the places that the merged state gives them; with `keepsNames` still known as what they end with now. */
  replaceIn(entries: Source<StateEntry>, { keepsNames = false } = {}): BatchSource<StateEntry> {
    return toBatchSource(() => this.#replaced(entries, keepsNames))
  }

  async *#replaced(entries: Source<MergedEntry>, keepsNames: boolean) {
    const breather = createBreather()
    const cursor = new Cursor<MergedEntry>(this.#entries)
    let head: IteratorResult<MergedEntry> | undefined
    try {
      for await (const item of batchesOf(entries)) {
        const replaced: MergedEntry[] = []
        for (const entry of isBatch(item) ? item : [item]) {
          if (breather.due()) await breather.pause()
          const name = this.#lastName(entry)
          if (name === undefined) {
            replaced.push(entry)
            continue
          }
          head ??= await cursor.next()
          while (!head.done && comparePaths(head.value.path, entry.path) < 0) {
            const next = cursor.next()
            head = next instanceof Promise ? await next : next
          }
          const isHere = !head.done && head.value.path === entry.path && isKnownAs(head.value, name)
          const found = replacePlaces(entry, name, isHere ? head.value : await this.find(name))
          replaced.push(keepsNames ? { ...found, knownAs: [...namesOf(entry)] } : found)
        }
        yield toBatch(replaced)
      }
    } finally {
      await cursor.close()
      // It was opened for its header: where no entry has led to it, nothing else closes it.
      await this.close()
    }
  }

  /** The last body that is not younger than the merged state. */
  #lastName({ places }: StateEntry): Place | undefined {
    return places?.findLast(({ date }) => this.orderOf(date) <= this.merged.asOf)
  }

  /** The entry of the content that ends with a body. */
  async find(name: PlaceName): Promise<MergedEntry | undefined> {
    const index = await (this.#index ??= this.#makeIndex())
    for (const offset of index.find(keyOf(name))) {
      const entry = await this.#entryAt(offset)
      if (isKnownAs(entry, name)) return this.#resolve(entry)
    }
    return undefined
  }

  async #resolve(entry: MergedEntry): Promise<MergedEntry> {
    const { under } = this
    const name = under === undefined ? undefined : under.#lastName(entry)
    return name === undefined ? entry : replacePlaces(entry, name, await under!.find(name))
  }

  async #makeIndex(): Promise<KeyIndex> {
    const index = new KeyIndex(LOOKS)
    const state = await this.states.written(this.merged.stateDate)
    for await (const batch of batchesOf<MergedEntry>(state.entries())) {
      for (const entry of isBatch(batch) ? batch : [batch]) {
        for (const name of namesOf(entry)) index.add(keyOf(name), state.offset)
      }
    }
    return index
  }

  async #entryAt(offset: number): Promise<MergedEntry> {
    const archive = await this.states.openState(this.merged.stateDate)
    return entryAt(archive, offset, this.state.header.chain)
  }
}

/** All names that the content of an entry is known by. */
export function* namesOf({ places, knownAs = [] }: MergedEntry): Generator<PlaceName, void, undefined> {
  const last = places?.at(-1)
  if (last === undefined) return
  yield last
  yield* knownAs
}

function isKnownAs(entry: MergedEntry, { date, in: kind, offset }: PlaceName): boolean {
  for (const name of namesOf(entry)) {
    if (name.date === date && name.in === kind && name.offset === offset) return true
  }
  return false
}

/** All places up to `name` become those of the merged entry; of one that is not known, they stay. */
function replacePlaces<T extends StateEntry>(entry: T, name: Place, merged: MergedEntry | undefined): T {
  if (merged?.places === undefined) return entry
  const { path } = merged
  const places =
    path === entry.path ? merged.places : merged.places.map(place => ({ ...place, path: place.path ?? path }))
  const rest = entry.places!.slice(entry.places!.indexOf(name) + 1)
  return { ...entry, places: [...places, ...rest] }
}

function keyOf({ date, in: kind, offset }: PlaceName): number {
  return hashText(`${date} ${kind} ${offset}`)
}
