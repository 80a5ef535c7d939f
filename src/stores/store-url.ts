/** Parts of a query that would be a secret. */
const SECRET = /secret|passw|token|signature|credential|access-?_?key/i

/** Whether a text names a store by a URL: `s3://bucket`, `file:/backups`. `host:path` is none, nor is a path. */
export function isStoreUrl(text: string): boolean {
  return /^(?:[a-z][a-z0-9+.-]*:\/\/|file:)/i.test(text)
}

/**
 * The URL of a store. No message repeats what may be a password.
 *
 * @throws RangeError for what is no URL, has a fragment, or contains a password or another secret
 */
export function parseStoreUrl(text: string, credentials: (scheme: string) => string): URL {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new RangeError(`The URL of the store is not valid: ${/^[a-z0-9+.-]*:/i.exec(text)?.[0] ?? ''}…`)
  }
  const secret = [...url.searchParams.keys()].find(name => SECRET.test(name))
  if (url.password !== '' || secret !== undefined) {
    const found = secret === undefined ? 'a password' : `'${secret}'`
    const message = `The URL of a store must not contain ${found}, which other users of this machine can read`
    throw new RangeError(`${message}: ${credentials(url.protocol)}`)
  }
  if (url.hash !== '')
    throw new RangeError(`The URL of a store has no fragment: write %23 for '#' in ${storeUrlId(url)}`)
  return url
}

/** The id of a store with a URL: the same however its query is ordered and whether or not its path ends in a slash. */
export function storeUrlId(url: URL): string {
  const plain = new URL(url)
  plain.password = ''
  plain.hash = ''
  plain.searchParams.sort()
  if (plain.pathname.length > 1) plain.pathname = plain.pathname.replace(/\/+$/, '')
  return plain.href
}
