import { fileURLToPath } from 'node:url'
import type { Store } from '../types.js'
import { directoryStore } from './directory.js'
import { parseStoreUrl, storeUrlId } from './store-url.js'

/** A kind of store that URLs name. */
interface Scheme {
  /** Loads the code of the scheme, and makes the store. Called at the first call of the store, and only once. */
  readonly load: (url: URL) => Promise<Store>
  /** The optional calls that its stores have: a run asks for them before anything is loaded. */
  readonly calls: readonly OptionalCall[] | ((url: URL) => readonly OptionalCall[])
  /** Where its credentials belong, for people. */
  readonly credentials: string
}

type OptionalCall = 'create' | 'retain' | 'thaw' | 'clean'

const http: Scheme = {
  load: async url => (await import('./http/index.js')).fromUrl(url),
  calls: [],
  credentials: 'a password belongs into ~/.netrc, a token into IBT_HTTP_TOKEN'
}

const s3: Scheme = {
  load: async url => (await import('./s3/index.js')).fromUrl(url),
  calls: ({ searchParams }) => [
    ...(searchParams.get('conditionalCreate') === 'false' ? [] : (['create'] as const)),
    ...(searchParams.has('objectLock') ? (['retain'] as const) : []),
    'thaw',
    'clean'
  ],
  credentials: 'credentials are those of the AWS configuration, such as AWS_ACCESS_KEY_ID or AWS_PROFILE'
}

const sftp: Scheme = {
  load: async url => (await import('./sftp/index.js')).fromUrl(url),
  calls: ['create', 'retain', 'clean'],
  credentials: 'a key belongs into ssh-agent or ~/.ssh, a password into IBT_SSH_PASSWORD'
}

const webdav: Scheme = {
  load: async url => (await import('./webdav/index.js')).fromUrl(url),
  calls: ['clean'],
  credentials: http.credentials
}

/** All schemes but `file:`, which needs nothing loaded. */
const SCHEMES: Readonly<Record<string, Scheme>> = {
  'http:': http,
  'https:': http,
  's3:': s3,
  'sftp:': sftp,
  'webdav:': webdav,
  'webdavs:': webdav
}

/**
 * The store that a URL names, as a plain object: its code, and the optional packages that it needs, are loaded at the
 * first call. Nothing is connected before. `file:` is a directory of this machine.
 *
 * @throws RangeError for an unknown scheme, and for a URL that contains a password
 */
export function storeFromUrl(text: string | URL): Store {
  const url = parseStoreUrl(String(text), protocol => SCHEMES[protocol]?.credentials ?? 'remove it')
  if (url.protocol === 'file:') return directoryStore(pathOf(url, String(text)))
  const scheme = Object.hasOwn(SCHEMES, url.protocol) ? SCHEMES[url.protocol] : undefined
  if (scheme === undefined) {
    const known = ['file:', ...Object.keys(SCHEMES)].join(', ')
    throw new RangeError(`'${url.protocol}' is not a kind of store: give a path, or a URL of ${known}`)
  }
  return lazyStore(url, scheme)
}

/** `URL` makes a relative path an absolute one. @throws RangeError for that, and for a directory of another machine */
function pathOf(url: URL, text: string): string {
  if (url.search === '' && url.host === '' && /^file:\//i.test(text)) return fileURLToPath(url)
  throw new RangeError(`'${text}' is not a directory of this machine: write file:///path, with %3F for '?'`)
}

function lazyStore(url: URL, { load, calls }: Scheme): Store {
  let loading: Promise<Store> | undefined
  const open = () => {
    loading ??= load(url)
    return loading
  }
  const has = typeof calls === 'function' ? calls(url) : calls
  return {
    id: storeUrlId(url),
    put: async (...call) => (await open()).put(...call),
    async *get(...call) {
      yield* (await open()).get(...call)
    },
    async *list(...call) {
      yield* (await open()).list(...call)
    },
    delete: async (...call) => (await open()).delete(...call),
    // The table promises them.
    ...(has.includes('create') && { create: async (...call) => (await open()).create!(...call) }),
    ...(has.includes('retain') && { retain: async (...call) => (await open()).retain!(...call) }),
    ...(has.includes('thaw') && { thaw: async (...call) => (await open()).thaw!(...call) }),
    ...(has.includes('clean') && { clean: async (...call) => (await open()).clean!(...call) })
  }
}
