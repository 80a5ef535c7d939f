import { type SftpStore, sftpStore } from './sftp-store.js'

/**
 * The store of a URL: `sftp://user@host:port/path`, an absolute path, or `/~/path` in the user's home directory.
 * `?config=FILE` names a file in the place of `~/.ssh/config`.
 *
 * @throws RangeError for a URL without a path, and for other parameters
 */
export function fromUrl(url: URL): SftpStore {
  const unknown = [...url.searchParams.keys()].find(name => name !== 'config')
  if (unknown !== undefined) throw new RangeError(`'${unknown}' is not a parameter of an sftp: URL: config is`)
  if (url.hostname === '' || url.pathname === '' || url.pathname === '/')
    throw new RangeError(`The URL has no host or no path: write sftp://user@host/path, or sftp://user@host/~/path`)
  const path = decodeURIComponent(url.pathname)
  return sftpStore({
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    path: path === '/~' ? '.' : path.replace(/^\/~\//, ''),
    ...(url.port !== '' && { port: Number(url.port) }),
    ...(url.username !== '' && { username: decodeURIComponent(url.username) }),
    ...(url.searchParams.has('config') && { config: url.searchParams.get('config')! })
  })
}
