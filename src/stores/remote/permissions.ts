import { isLockName } from '../../format/names.js'
import type { Store, StoreOptions } from '../../types.js'
import { notAllowed } from '../decorators/restricted.js'
import type { Request } from './messages.js'

/**
 * What a served store may be asked for. `put` stores new names (`create` does, too); to replace a name, `replace` is
 * needed as well.
 */
export type Permission = 'get' | 'list' | 'put' | 'replace' | 'delete' | 'retain' | 'thaw' | 'clean'

export const ALL_PERMISSIONS: readonly Permission[] = [
  ...(['get', 'list', 'put', 'replace', 'delete', 'retain', 'thaw', 'clean'] as const)
]
/** New names only: nothing is deleted or replaced, but locks. */
export const APPEND_ONLY: readonly Permission[] = ['get', 'list', 'put', 'retain']
/** Nothing is changed. To thaw costs money: allow it by name, `[...READ_ONLY, 'thaw']`. */
export const READ_ONLY: readonly Permission[] = ['get', 'list']

/** Names that are being put, by store: two puts of a new name would replace each other. */
const reserved = new WeakMap<Store, Set<string>>()

/** Whoever may store may also renew and delete locks: a run needs that. @throws BackupError IBT_NOT_ALLOWED */
export function checkAllowed({ call, name }: Request, allowed: ReadonlySet<Permission>): void {
  const isOfLock = (call === 'delete' || call === 'put') && isLock(name)
  const needed = call === 'create' || isOfLock ? 'put' : call
  if (!allowed.has(needed)) throw notAllowed(call, name)
}

/** Runs a `put` that may not replace anything, unless it is allowed to. @throws BackupError IBT_NOT_ALLOWED */
export async function withoutReplacing(
  store: Store,
  name: string,
  allowed: ReadonlySet<Permission>,
  options: StoreOptions,
  put: () => Promise<void>
): Promise<void> {
  if (allowed.has('replace') || isLock(name)) return put()
  const names = reserved.get(store) ?? new Set()
  reserved.set(store, names)
  if (names.has(name)) throw notAllowed('replace', name)
  names.add(name)
  try {
    for await (const stored of store.list(name, options)) if (stored.name === name) throw notAllowed('replace', name)
    await put()
  } finally {
    names.delete(name)
  }
}

function isLock(name: string): boolean {
  const key = /^(.+?)\.lock(?:\.|$)/.exec(name)?.[1]
  try {
    return key !== undefined && isLockName(name, key)
  } catch {
    return false
  }
}
