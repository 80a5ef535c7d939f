import type { Signed, StateEntry } from '../types.js'

interface Group {
  readonly ordinal: number
  /** The first member, and whether this run's archive of whole contents holds it. */
  first: { readonly state: StateEntry; readonly isInArchive: boolean } | undefined
}

/** Numbers the hard-link groups of a state. The numbers of entries that are carried come from another run. */
export class LinkGroups {
  readonly #groups = new Map<string, Group>()

  /** Gives the state of an entry its group's number. */
  add(item: Signed, state: StateEntry, isInArchive = false): StateEntry {
    if (state.link === undefined) return state
    const group = this.#group(item, state.link)
    const numbered = { ...state, link: group.ordinal }
    group.first ??= { state: numbered, isInArchive }
    return numbered
  }

  /** The first member of the item's group. */
  find(item: Signed): Group['first'] {
    return item.link === undefined ? undefined : this.#group(item, item.link).first
  }

  #group(item: Signed, link: number): Group {
    const key = `${item.carried ? 'carried' : 'seen'} ${link}`
    let group = this.#groups.get(key)
    if (group === undefined) this.#groups.set(key, (group = { ordinal: this.#groups.size, first: undefined }))
    return group
  }
}
