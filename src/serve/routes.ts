import { summarizeBackups } from '../catalog/backups.js'
import { findEntry, onlyWithin } from '../catalog/open-chain.js'
import { parseArtifactName } from '../format/names.js'
import { pipe } from '../interop/pipe.js'
import { printPath, ROOT_PATH } from '../path.js'
import { parseAt } from '../places/at.js'
import { only } from '../stages/only.js'
import { pack } from '../stages/pack.js'
import { patch } from '../stages/patch.js'
import { unpack } from '../stages/unpack.js'
import type { Chain } from '../stores/chain.js'
import type { ByteRange, StateEntry } from '../types.js'
import { type Answer, type Asked, nothing } from './answer.js'
import { fileBytes } from './content.js'
import { entriesIn } from './listing.js'
import { html, type Markup, PAGE_HEADERS, page } from './page.js'
import { type Extent, hasTag, parseRange } from './range.js'
import { encodePart, type Parsed, parseTarget, type Target } from './target.js'
import type { View } from './view.js'

/** What is served. */
export interface Served {
  /** What comes before every path. */
  readonly base: string
  readonly isServed: (key: string) => boolean
}

/** A thing that is listed: to programs an object, to people a row. */
interface Listed {
  readonly value: object
  readonly row: readonly (string | number | Markup)[]
}

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
  readonly #isJson: boolean

  constructor(
    readonly served: Served,
    readonly view: View,
    readonly asked: Asked,
    readonly parsed: Parsed
  ) {
    const accept = asked.header('accept') ?? ''
    const wanted = parsed.query.get('format') ?? (/\bjson\b/.test(accept) && !/\bhtml\b/.test(accept) ? 'json' : 'html')
    this.#isJson = wanted === 'json'
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
      const href = this.#href(key)
      return { value: { key, states, href }, row: [this.#link(href, `${key}/`), states] }
    })
    return this.#list('Backups', [], ['key', 'states'], listed)
  }

  async dates(key: string): Promise<Answer> {
    const isServed = this.#slash()
    if (isServed !== undefined) return isServed
    const chain = await this.view.chain(key, this.asked.signal)
    // With an error where there is none.
    chain.at()
    const href = (date: string) => this.#href(key, date)
    const { signal } = this.asked
    const link = (date: string) => this.#link(href(date), `${date}/`)
    async function* listed(): AsyncGenerator<Listed> {
      for await (const { date, kind, parent, storedBytes, totals, error } of summarizeBackups(chain, signal)) {
        const value = { key, date, kind, parent, storedBytes, totals, error: error?.code, href: href(date) }
        yield { value, row: [link(date), kind, totals?.files ?? '', totals?.sizeBytes ?? error!.code, storedBytes] }
      }
    }
    return this.#list(key, this.#above(), ['date', 'kind', 'files', 'bytes', 'stored'], listed())
  }

  async tree(target: Extract<Target, { route: 'tree' }>): Promise<Answer> {
    const { key, path } = target
    const chain = await this.view.chain(key, this.asked.signal)
    const { date } = chain.at(await parseAt(target.at))
    const entry = await findEntry(chain, date, path)
    if (entry === undefined) throw nothing(`${printPath(path)} in the backup of ${key} of ${date}`)
    const format = this.parsed.query.get('format')
    if (format === 'tar') return this.#tar(chain, date, key, entry)
    if (entry.type === 'directory') return this.#slash() ?? this.#directory(chain, date, target, path)
    if (format === 'json') return this.#list(path, [], [], [{ value: this.#entry(entry, key, date), row: [] }], true)
    if (entry.type !== 'file' || entry.places === undefined) {
      throw nothing(
        `content of ${printPath(path)}: it is of type ${entry.type}${entry.linkname === undefined ? '' : ` to ${printPath(entry.linkname)}`}`
      )
    }
    return this.#content({
      name: path.slice(path.lastIndexOf('/') + 1),
      sizeBytes: entry.sizeBytes ?? 0,
      tag: tagOf(entry),
      read: extent => fileBytes(chain, entry, extent, this.asked.signal)
    })
  }

  #directory(chain: Chain, date: string, { key, at }: { readonly key: string; readonly at: string }, path: string) {
    const toListed = (entry: StateEntry): Listed => {
      const value = this.#entry(entry, key, at)
      const name = printPath(entry.path.slice(entry.path.lastIndexOf('/') + 1))
      const isLinked = entry.type === 'directory' || (entry.type === 'file' && entry.places !== undefined)
      const text = entry.type === 'directory' ? `${name}/` : name
      const to = entry.linkname === undefined ? '' : ` → ${printPath(entry.linkname)}`
      const link = isLinked ? this.#link(value.href, text) : html`${text}${to}`
      return { value, row: [link, entry.type, entry.sizeBytes ?? '', value.mtime] }
    }
    async function* listed(): AsyncGenerator<Listed> {
      for await (const entry of entriesIn(chain, date, path)) yield toListed(entry)
    }
    const tar = this.#link('?format=tar', 'tar')
    const title = `${key} of ${date}${path === ROOT_PATH ? '' : `: ${printPath(path)}`}`
    return this.#list(title, [...this.#above(), tar], ['name', 'type', 'bytes', 'modified'], listed())
  }

  #entry(entry: StateEntry, key: string, at: string) {
    const { path, type, mode, mtimeNs, sizeBytes, linkname, sha256 } = entry
    const parts = path === ROOT_PATH ? [] : path.split('/')
    const href = this.#href(key, at, ...parts) + (type === 'directory' && parts.length > 0 ? '/' : '')
    const seconds = Number(mtimeNs / 1_000_000n)
    const mtime = Math.abs(seconds) <= 8.64e15 ? new Date(seconds).toISOString() : ''
    const text = { path: path.toWellFormed(), linkname: linkname?.toWellFormed() }
    return { ...text, type, mode, mtime, mtimeNs: String(mtimeNs), sizeBytes, sha256, href }
  }

  #tar(chain: Chain, date: string, key: string, entry: StateEntry): Answer {
    const { path } = entry
    const { signal } = this.asked
    const entries = path === ROOT_PATH ? chain.entries(date) : onlyWithin(chain.entries(date, { from: path }), path)
    const name = path === ROOT_PATH ? '' : `-${path.slice(path.lastIndexOf('/') + 1)}`
    const body = pipe(
      entries,
      whole,
      items => unpack(items, chain.openArchive),
      patch(),
      pack({ whole: 'full' }),
      only('full'),
      { signal }
    )
    return {
      status: 200,
      headers: {
        ...DOWNLOAD,
        'content-type': 'application/x-tar',
        'content-disposition': attachment(`${key}-${date}${name}.tar`)
      },
      body
    }
  }

  async artifacts(): Promise<Answer> {
    const isServed = this.#slash()
    if (isServed !== undefined) return isServed
    const stored = await this.view.listed('', this.asked.signal)
    const listed = stored.flatMap(({ name, sizeBytes: size }) => {
      const key = parseArtifactName(name)?.key
      if (key === undefined || !this.served.isServed(key)) return []
      return { value: { name, type: 'file', size }, row: [this.#link(this.#raw(name), name), size] }
    })
    return this.#list('Index of artifacts', this.#above(), ['name', 'bytes'], listed)
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
    return this.#content({ name, sizeBytes, tag: `"${name}-${sizeBytes}"`, read })
  }

  #content({ name, sizeBytes, tag, read }: Content): Answer {
    const { header } = this.asked
    const headers = { ...DOWNLOAD, etag: tag, 'accept-ranges': 'bytes', 'content-disposition': attachment(name) }
    if (hasTag(header('if-none-match'), tag)) return { status: 304, headers }
    const condition = header('if-range')
    const isSame = condition === undefined || hasTag(condition, tag)
    const range = isSame ? parseRange(header('range'), sizeBytes) : undefined
    const { start, end } = range ?? { start: 0, end: sizeBytes }
    const length = { 'content-length': String(end - start) }
    const body = proven(read({ start, end }))
    if (range === undefined) return { status: 200, headers: { ...headers, ...length }, body }
    return {
      status: 206,
      headers: { ...headers, ...length, 'content-range': `bytes ${start}-${end - 1}/${sizeBytes}` },
      body
    }
  }

  /** A list as JSON or as a page. */
  #list(
    title: string,
    above: readonly Markup[],
    heads: readonly string[],
    listed: AsyncIterable<Listed> | Iterable<Listed>,
    isOne = false
  ): Answer {
    if (this.#isJson || isOne) {
      return {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: isOne ? oneJson(listed) : json(listed)
      }
    }
    return { status: 200, headers: PAGE_HEADERS, body: page(title, above, heads, rowsOf(listed)) }
  }

  /** Links on a page of a directory lead to below it: without the slash they would not. */
  #slash(): Answer | undefined {
    if (this.parsed.isDirectory) return undefined
    const [, path, search = ''] = /^([^?]*)(\?.*)?$/.exec(this.asked.target)!
    return { status: 308, headers: { location: `${path}/${search}` } }
  }

  #above(): Markup[] {
    const { base } = this.served
    const parts = this.asked.target
      .slice(base.length)
      .replace(/\?.*/, '')
      .split('/')
      .filter(part => part !== '')
    const links = parts.slice(0, -1).map((part, i) => {
      const href = `${base}/${parts.slice(0, i + 1).join('/')}/`
      return this.#link(href, printPath(decodeText(part)))
    })
    return [this.#link(`${base}/`, 'backups'), ...links]
  }

  #href(...parts: readonly string[]): string {
    const isDirectory = parts.length <= 2
    return `${this.served.base}/${parts.map(encodePart).join('/')}${isDirectory ? '/' : ''}`
  }

  #raw(name: string): string {
    return `${this.served.base}/~store/${encodePart(name)}`
  }

  #link(href: string, text: string): Markup {
    return html`<a href="${href}">${text}</a>`
  }
}

interface Content {
  readonly name: string
  readonly sizeBytes: number
  readonly tag: string
  readonly read: (extent: Extent) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

/** What somebody has backed up is shown by no browser: it would be a page of this server. */
const DOWNLOAD = {
  'content-type': 'application/octet-stream',
  'content-security-policy': "default-src 'none'; sandbox"
} as const

/** Names of whatever bytes: an ASCII one for old programs, and the real one as RFC 6266 has it. */
function attachment(name: string): string {
  const printed = printPath(name).toWellFormed()
  const plain = printed.replace(/[^ !#-$&-[\]-~]/g, '_').replace(/[\\/]/g, '_')
  const encoded = encodeURIComponent(printed.replace(/\//g, '_')).replace(
    /['()*]/g,
    c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}

function decodeText(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** The last chunk waits until nothing has turned out to be wrong: without it, a client knows that something is missing. */
async function* proven(
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
): AsyncGenerator<Uint8Array, void, undefined> {
  let last: Uint8Array | undefined
  for await (const chunk of bytes) {
    if (last !== undefined) yield last
    last = chunk
  }
  if (last !== undefined) yield last
}

/** Entries without what could not be read when it was backed up: a tar cannot say so. */
async function* whole(
  entries: AsyncIterable<StateEntry> | Iterable<StateEntry>
): AsyncGenerator<StateEntry, void, undefined> {
  for await (const entry of entries) {
    if (entry.type !== 'unreadable' && entry.type !== 'socket') yield entry
  }
}

async function* rowsOf(listed: AsyncIterable<Listed> | Iterable<Listed>) {
  for await (const { row } of listed) yield row
}

async function* json(listed: AsyncIterable<Listed> | Iterable<Listed>): AsyncGenerator<Uint8Array, void, undefined> {
  let text = '['
  let isFirst = true
  for await (const { value } of listed) {
    text += `${isFirst ? '\n' : ',\n'}${JSON.stringify(value)}`
    isFirst = false
    if (text.length < 65_536) continue
    yield Buffer.from(text)
    text = ''
  }
  yield Buffer.from(`${text}\n]\n`)
}

async function* oneJson(listed: AsyncIterable<Listed> | Iterable<Listed>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { value } of listed) yield Buffer.from(`${JSON.stringify(value)}\n`)
}

/** What names a content: its digest or, for want of one, where it is stored. */
function tagOf({ sha256, signatureDigest, places = [] }: StateEntry): string {
  const { date, in: kind, offset } = places.at(-1) ?? {}
  return `"${sha256 ?? signatureDigest?.sha256 ?? `${date}.${kind}.${offset}`}"`
}
