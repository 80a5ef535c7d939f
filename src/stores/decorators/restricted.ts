import { BackupError } from '../../errors.js'
import { parseArtifactName, parseRemovedName, parseSegmentName } from '../../format/names.js'
import type { Store } from '../../types.js'
import { notFound } from '../stored-name.js'
import { wrapStore } from '../wrap-store.js'

/** The error of a call that a store does not allow. */
export function notAllowed(call: string, name: string): BackupError {
  return new BackupError('IBT_NOT_ALLOWED', `This store does not allow to ${call} ${name}`, { path: name })
}

/**
 * A store that is only read: `put` and `delete` are refused, and it has no optional calls. A run cannot lock it, so only
 * what takes no lock works: restore, list, look around, verify.
 */
export function readOnly(store: Store): Store {
  return wrapStore(store, {
    put: async name => {
      throw notAllowed('put', name)
    },
    delete: async name => {
      throw notAllowed('delete', name)
    },
    create: undefined,
    retain: undefined,
    clean: undefined
  })
}

/**
 * A store that gives back nothing of a backup: `get` of artifacts is refused. Locks and other names can be read, because
 * a run needs them. With a cache that has the states and sigvaults, increments work.
 */
export function writeOnly(store: Store): Store {
  return wrapStore(store, {
    async *get(name, range, options) {
      if (!isOfBackup(name)) return yield* store.get(name, range, options)
      // A run asks whether a name is there.
      for await (const stored of store.list(name, options)) if (stored.name === name) throw notAllowed('read', name)
      throw notFound(name)
    }
  })
}

function isOfBackup(name: string): boolean {
  return (parseArtifactName(name) ?? parseRemovedName(name) ?? parseSegmentName(name)) !== undefined
}
