import { BackupError } from './errors.js'

/** Versions of the optional packages that this package was tried with: the first numbers of the ranges in package.json. */
export const PEER_VERSIONS = {
  '@aws-sdk/client-s3': '3',
  'age-encryption': '0.3',
  ssh2: '1',
  webdav: '5'
} as const

/** An optional package. */
export type Peer = keyof typeof PEER_VERSIONS

/**
 * Imports optional packages when they are used: `() => import(…).catch(optional)`. The import is the caller's, so
 * that bundlers see it.
 *
 * @throws BackupError IBT_PEER_MISSING that says how to install them
 */
export async function loadPeers<T>(user: string, peers: readonly Peer[], load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    if (!isMissingModule(cause)) throw cause
    const install = `npm install ${peers.map(peer => `${peer}@${PEER_VERSIONS[peer]}`).join(' ')}`
    const what = peers.length === 1 ? 'an optional package' : 'optional packages'
    throw new BackupError('IBT_PEER_MISSING', `${user} need ${what} that is not installed: ${install}`, { cause })
  }
}

/** Rethrows. With a `catch` of its own, an import of a package that is not installed does not stop a bundler. */
export function optional(error: unknown): never {
  throw error
}

function isMissingModule(error: unknown): boolean {
  const { code } = Object(error) as { readonly code?: unknown }
  return code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND'
}
