import { summarizeBackups } from '../catalog/backups.js'
import { findEntry } from '../catalog/open-chain.js'
import { parseArtifactName } from '../format/names.js'
import { baseName, printPath, ROOT_PATH } from '../path.js'
import { parseAt } from '../places/at.js'
import type { Chain } from '../stores/chain.js'
import type { ByteRange, StateEntry } from '../types.js'
import { type Answer, type Asked, nothing } from './answer.js'
import { fileBytes } from './content.js'
import { entriesIn } from './directory-entries.js'
import { download } from './download.js'
import { Links } from './links.js'
import { type List, type Listed, listAsJson, listAsPage, oneAsJson } from './list.js'
import { html } from './page.js'
import type { Extent } from './range.js'
import { downloadTar } from './tar-download.js'
import { type Parsed, parseTarget, type Target } from './target.js'
import type { View } from './view.js'

/** What is served. */
export interface Served {
  /** What comes before every path. */
  readonly base: string
  readonly isServed: (key: string) => boolean
}

type TreeTarget = Extract<Target, { route: 'tree' }>

/** Answers a request that may be answered. @throws HttpError, BackupError */
export async function route(served: Served, view: View, asked: Asked): Promise<Answer> {
  const { base } = served
  if (!asked.target.startsWith(base)) throw nothing('such path')
  const parsed = parseTarget(asked.target.slice(base.length))
  const one = new One(served, view, asked, parsed)
  const { target } = parsed
  if ('key' in target && !served.isServed(target.key)) throw nothing(`backup of ${printPath(target.key)}`)
  switch (target.route) {
    case 'keys':
      return one.keys()
    case 'dates':
      return one.dates(target.key)
    case 'tree':
      return one.tree(target)
    case 'artifacts':
      return one.artifacts()
    case 'artifact':
      return one.artifact(target.name)
  }
}

/** One request. */
class One {
  readonly #links: Links
  readonly #format: string | null

  constructor(
    readonly served: Served,
    readonly view: View,
    readonly asked: Asked,
    readonly parsed: Parsed
  ) {
    this.#links = new Links(served.base, asked.target)
    this.#format = parsed.query.get('format')
  }

  async keys(): Promise<Answer> {
    const backups = new Map<string, number>()
    for (const { name } of await this.view.listed('', this.asked.signal)) {
      const parsed = parseArtifactName(name)
      if (parsed?.kind === 'state' && this.served.isServed(parsed.key)) {
        backups.set(parsed.key, (backups.get(parsed.key) ?? 0) + 1)
      }
    }
    const found = [...backups].sort(([a], [b]) => (a < b ? -1 : 1))
    const listed = found.map(([key, states]) => {
      const href = this.#links.href(key)
      return { value: { key, states, href }, row: [this.#links.link(href, `${key}/`), states] }
    })
    return this.#list({ title: 'Backups', above: [], heads: ['key', 'states'], listed })
  }

  async dates(key: string): Promise<Answer> {
    if (!this.parsed.isDirectory) return this.#withSlash()
    const chain = await this.view.chain(key, this.asked.signal)
    // With an error where there is none.
    chain.at()
    const links = this.#links
    const { signal } = this.asked
    async function* listed(): AsyncGenerator<Listed> {
      for await (const { date, kind, parent, storedBytes, totals, error } of summarizeBackups(chain, signal)) {
        const href = links.href(key, date)
        const value = { key, date, kind, parent, storedBytes, totals, error: error?.code, href }
        const counts = [totals?.files ?? '', totals?.sizeBytes ?? error!.code, storedBytes]
        yield { value, row: [links.link(href, `${date}/`), kind, ...counts] }
      }
    }
    const heads = ['date', 'kind', 'files', 'bytes', 'stored']
    return this.#list({ title: key, above: links.above(), heads, listed: listed() })
  }

  async tree(target: TreeTarget): Promise<Answer> {
    const { key, path } = target
    const { signal } = this.asked
    const chain = await this.view.chain(key, signal)
    const { date } = chain.at(await parseAt(target.at))
    const entry = await findEntry(chain, date, path)
    if (entry === undefined) throw nothing(`${printPath(path)} in the backup of ${key} of ${date}`)
    if (this.#format === 'tar') return downloadTar(chain, { key, date, path: entry.path }, signal)
    if (entry.type === 'directory') {
      return this.parsed.isDirectory ? this.#directory(chain, date, target) : this.#withSlash()
    }
    if (this.#format === 'json') return oneAsJson(this.#entry(entry, key, date))
    if (entry.type !== 'file' || entry.places === undefined) {
      const to = entry.linkname === undefined ? '' : ` to ${printPath(entry.linkname)}`
      throw nothing(`content of ${printPath(path)}: it is of type ${entry.type}${to}`)
    }
    const { sizeBytes = 0 } = entry
    const read = (extent: Extent) => fileBytes(chain, entry, extent, signal)
    return download({ name: baseName(path), sizeBytes, tag: tagOf(entry), read }, this.asked)
  }

  #directory(chain: Chain, date: string, { key, at, path }: TreeTarget): Answer {
    const links = this.#links
    const toListed = (entry: StateEntry): Listed => {
      const value = this.#entry(entry, key, at)
      const name = printPath(baseName(entry.path))
      const isLinked = entry.type === 'directory' || (entry.type === 'file' && entry.places !== undefined)
      const text = entry.type === 'directory' ? `${name}/` : name
      const to = entry.linkname === undefined ? '' : ` → ${printPath(entry.linkname)}`
      const link = isLinked ? links.link(value.href, text) : html`${text}${to}`
      return { value, row: [link, entry.type, entry.sizeBytes ?? '', value.mtime] }
    }
    async function* listed(): AsyncGenerator<Listed> {
      for await (const entry of entriesIn(chain, date, path)) yield toListed(entry)
    }
    const title = `${key} of ${date}${path === ROOT_PATH ? '' : `: ${printPath(path)}`}`
    const above = [...links.above(), links.link('?format=tar', 'tar')]
    return this.#list({ title, above, heads: ['name', 'type', 'bytes', 'modified'], listed: listed() })
  }

  #entry(entry: StateEntry, key: string, at: string) {
    const { path, type, mode, mtimeNs, sizeBytes, linkname, sha256 } = entry
    const parts = path === ROOT_PATH ? [] : path.split('/')
    const href = this.#links.href(key, at, ...parts) + (type === 'directory' && parts.length > 0 ? '/' : '')
    const seconds = Number(mtimeNs / 1_000_000n)
    const mtime = Math.abs(seconds) <= 8.64e15 ? new Date(seconds).toISOString() : ''
    const text = { path: path.toWellFormed(), linkname: linkname?.toWellFormed() }
    return { ...text, type, mode, mtime, mtimeNs: String(mtimeNs), sizeBytes, sha256, href }
  }

  async artifacts(): Promise<Answer> {
    if (!this.parsed.isDirectory) return this.#withSlash()
    const links = this.#links
    const stored = await this.view.listed('', this.asked.signal)
    const listed = stored.flatMap(({ name, sizeBytes: size }) => {
      const key = parseArtifactName(name)?.key
      if (key === undefined || !this.served.isServed(key)) return []
      return { value: { name, type: 'file', size }, row: [links.link(links.artifact(name), name), size] }
    })
    return this.#list({ title: 'Index of artifacts', above: links.above(), heads: ['name', 'bytes'], listed })
  }

  async artifact(name: string): Promise<Answer> {
    const key = parseArtifactName(name)?.key
    if (key === undefined || !this.served.isServed(key)) throw nothing('such artifact')
    const { store } = this.view.places
    const { signal } = this.asked
    const found = (await this.view.listed(name, signal)).find(stored => stored.name === name)
    if (found === undefined) throw nothing('such artifact')
    const { sizeBytes } = found
    const read = (range: ByteRange) => (sizeBytes === 0 ? [] : store.get(name, range, { signal }))
    // An artifact is never written again under its name.
    return download({ name, sizeBytes, tag: `"${name}-${sizeBytes}"`, read }, this.asked)
  }

  #list(list: List): Answer {
    const accept = this.asked.header('accept') ?? ''
    const wantsJson = /\bjson\b/.test(accept) && !/\bhtml\b/.test(accept)
    return (this.#format ?? (wantsJson ? 'json' : 'html')) === 'json' ? listAsJson(list) : listAsPage(list)
  }

  /** Links on a page of a directory lead to below it: without the slash they would not. */
  #withSlash(): Answer {
    return { status: 308, headers: { location: this.#links.withSlash() } }
  }
}

/** What names a content: its digest or, for want of one, where it is stored. */
function tagOf({ sha256, signatureDigest, places = [] }: StateEntry): string {
  const { date, in: kind, offset } = places.at(-1) ?? {}
  return `"${sha256 ?? signatureDigest?.sha256 ?? `${date}.${kind}.${offset}`}"`
}
