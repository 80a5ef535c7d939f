import { isStoredName } from '../stored-name.js'

/** A name that a listing has, and its size if it says so. */
export interface Listed {
  readonly name: string
  readonly sizeBytes: number | undefined
}

/** What servers head a page with that lists a directory. */
const INDEX = /<(?:title|h1|h2)\b[^>]*>\s*(?:index of|directory listing for)\b/i

const LINK = /<a\s[^>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))/gi

/**
 * The names that a listing of a directory has: JSON as nginx and Caddy write it, an array of `{ name, size }`, or a page
 * of links as Apache, nginx, lighttpd and Python's http.server write it. Undefined for anything else.
 */
export function parseListing(text: string, directory: URL): Listed[] | undefined {
  if (/^\s*\[/.test(text)) return fromJson(text)
  return INDEX.test(text) ? fromLinks(text, directory) : undefined
}

function fromJson(text: string): Listed[] | undefined {
  let items: unknown
  try {
    items = JSON.parse(text)
  } catch {
    return undefined
  }
  return (items as unknown[]).flatMap(item => {
    const { name, size, type, is_dir } = Object(item) as Record<string, unknown>
    if (!isStoredName(name) || type === 'directory' || is_dir === true) return []
    return { name, sizeBytes: typeof size === 'number' && Number.isSafeInteger(size) ? size : undefined }
  })
}

/** Sizes in such pages are for people. */
function fromLinks(text: string, directory: URL): Listed[] {
  const names = new Set<string>()
  for (const [, double, single, bare] of text.matchAll(LINK)) {
    const name = nameOf(unescapeHtml(double ?? single ?? bare ?? ''), directory)
    if (isStoredName(name)) names.add(name)
  }
  return Array.from(names, name => ({ name, sizeBytes: undefined }))
}

/** The name of what lies directly in the directory: other links sort the page, or lead elsewhere. */
function nameOf(link: string, directory: URL): string | undefined {
  try {
    const { origin, pathname, search } = new URL(link, directory)
    const isBelow = origin === directory.origin && search === '' && pathname.startsWith(directory.pathname)
    return isBelow ? decodeURIComponent(pathname.slice(directory.pathname.length)) : undefined
  } catch {
    return undefined
  }
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescapeHtml(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w+));/gi, (found, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name] ?? found
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    return code <= 0x10ffff ? String.fromCodePoint(code) : found
  })
}
