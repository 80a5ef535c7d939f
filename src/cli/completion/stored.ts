import { peekChain } from '../../catalog/open-chain.js'
import { parseArtifactName } from '../../format/names.js'
import { comparePaths, isUtf8Path } from '../../path.js'
import type { PlaceOptions } from '../../places/options.js'
import { openPlaces } from '../../places/places.js'
import type { Store } from '../../types.js'

/** Entries below one directory after which the next one is sought. */
const PASSED_ENTRIES = 2000

/** A word that could stand at the cursor. */
export interface Candidate {
  readonly value: string
  readonly description?: string | undefined
}

/** The keys that a store has, or, if that does not answer in time, its cache. */
export async function keys(options: PlaceOptions): Promise<readonly Candidate[]> {
  const dates = new Map<string, string>()
  for (const { key, date } of await statesOf(options)) dates.set(key, date)
  return [...dates].map(([value, date]) => ({ value, description: `newest ${date}` }))
}

/** The dates of a key, the newest first. */
export async function dates(key: string, options: PlaceOptions): Promise<readonly Candidate[]> {
  const states = await statesOf(options)
  const found = states.filter(state => state.key === key).map(({ date }) => date)
  return [...new Set(found)].reverse().map(value => ({ value, description: key }))
}

async function statesOf(options: PlaceOptions) {
  const { store, cache } = openPlaces(options)
  const names = await listNames(store, options).catch(error => {
    if (cache === undefined) throw error
    return listNames(cache, {})
  })
  return names
    .flatMap(name => parseArtifactName(name) ?? [])
    .filter(({ kind }) => kind === 'state')
    .sort((a, b) => (a.date < b.date ? -1 : 1))
}

/** Gives up when the signal says so, also where the store does not listen. */
async function listNames(store: Store, { signal }: PlaceOptions): Promise<string[]> {
  const listing = async () => {
    const names: string[] = []
    for await (const { name } of store.list('', { signal })) names.push(name)
    return names
  }
  if (signal === undefined) return listing()
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  return Promise.race([listing(), late])
}

/** What a directory of a backup has whose path begins with what is typed. Calls `onFound` for each. */
export async function paths(
  key: string,
  typed: string,
  { at, ...options }: PlaceOptions & { readonly at?: string | undefined },
  onFound: (candidate: Candidate) => void
): Promise<void> {
  const chain = await peekChain(key, options)
  const { parseAt } = await import('../../places/at.js')
  const { date } = chain.at(await parseAt(at))
  const above = typed.slice(0, typed.lastIndexOf('/') + 1)
  let from: string | undefined = typed === '' ? undefined : typed
  while (true) {
    const state = await chain.state(date, from === undefined ? undefined : { from })
    from = undefined
    let child = ''
    let passed = 0
    for await (const { path, type } of state.entries()) {
      if (path === '.' || comparePaths(path, typed) < 0) continue
      if (!path.startsWith(typed)) return
      const [name] = path.slice(above.length).split('/')
      const found = above + name
      if (found !== child) {
        child = found
        passed = 0
        const isDirectory = type === 'directory' || path !== found
        if (found !== above && isUtf8Path(found)) onFound({ value: isDirectory ? `${found}/` : found })
      } else if (++passed > PASSED_ENTRIES) {
        // Behind all that lies below it: '/' sorts before every other byte.
        from = `${found}\u0001`
        break
      }
    }
    if (from === undefined) return
  }
}
