import { metadataOf } from '../change/metadata.js'
import type { Entry, Metadata, Signed } from '../types.js'

/**
 * Stores the content of a hard-link group once: every further member is a link to the first. A member whose content is
 * another one, as only a damaged state has it, is stored by itself.
 * Memory: one table entry for each group.
 */
export class LinkOnce {
  readonly #first = new Map<number, { readonly path: string; readonly content: string | undefined }>()

  /** The member as a link, if the content of its group has been stored. `content` names the content. */
  link(entry: Entry, content: string | undefined): Signed | undefined {
    const first = entry.link === undefined ? undefined : this.#first.get(entry.link)
    if (first === undefined || content === undefined || first.content !== content) return undefined
    return { ...metadataOf(entry), change: 'created', linkTo: first.path }
  }

  /** The metadata of a member whose content is stored. */
  store(entry: Entry, content: string | undefined): Metadata {
    if (entry.link === undefined) return metadataOf(entry)
    if (this.#first.has(entry.link)) return { ...metadataOf(entry), link: undefined }
    this.#first.set(entry.link, { path: entry.path, content })
    return metadataOf(entry)
  }
}
