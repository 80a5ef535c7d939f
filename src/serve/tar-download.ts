import { onlyWithin } from '../catalog/open-chain.js'
import { pipe } from '../interop/pipe.js'
import { baseName, ROOT_PATH } from '../path.js'
import { only } from '../stages/only.js'
import { pack } from '../stages/pack.js'
import { patch } from '../stages/patch.js'
import { unpack } from '../stages/unpack.js'
import type { Chain } from '../stores/chain.js'
import type { StateEntry } from '../types.js'
import type { Answer } from './answer.js'
import { downloadHeaders } from './download.js'

/** An entry of a backup as a tar, with everything below it. */
export function downloadTar(
  chain: Chain,
  { key, date, path }: { readonly key: string; readonly date: string; readonly path: string },
  signal: AbortSignal
): Answer {
  const entries = path === ROOT_PATH ? chain.entries(date) : onlyWithin(chain.entries(date, { from: path }), path)
  const name = path === ROOT_PATH ? '' : `-${baseName(path)}`
  const body = pipe(
    entries,
    whole,
    items => unpack(items, chain.openArchive),
    patch(),
    pack({ whole: 'full' }),
    only('full'),
    { signal }
  )
  return { status: 200, headers: downloadHeaders(`${key}-${date}${name}.tar`, 'application/x-tar'), body }
}

/** Entries without what could not be read when it was backed up: a tar cannot say so. */
async function* whole(
  entries: AsyncIterable<StateEntry> | Iterable<StateEntry>
): AsyncGenerator<StateEntry, void, undefined> {
  for await (const entry of entries) {
    if (entry.type !== 'unreadable' && entry.type !== 'socket') yield entry
  }
}
