// A registry of the platform packages, which are not published yet when they are tried. Everything else comes from the
// public one: package managers ask a registry of its own for a scope.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { packageOf, platformManifest, published } from '../platforms.mjs'

/** Serves the tarballs, by platform; of a platform without one, what a package manager reads before it skips it. */
export async function serveRegistry(tarballs) {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname).slice(1)
    const platform = published.find(name => path === packageOf(name) || path === `${name}.tgz`)
    const tarball = platform && tarballs[platform]?.path
    if (platform === undefined || (path.endsWith('.tgz') && tarball === undefined)) response.writeHead(404).end('{}')
    else if (path.endsWith('.tgz')) response.end(readFileSync(tarball))
    else response.setHeader('content-type', 'application/json').end(JSON.stringify(describe(platform, tarball, url)))
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  const url = `http://127.0.0.1:${server.address().port}/`
  return { url, close: () => server.close() }
}

function describe(platform, tarball, url) {
  const manifest = platformManifest(platform)
  const bytes = tarball !== undefined && existsSync(tarball) ? readFileSync(tarball) : Buffer.alloc(0)
  const digest = (algorithm, encoding) => createHash(algorithm).update(bytes).digest(encoding)
  const dist = {
    tarball: `${url}${platform}.tgz`,
    shasum: digest('sha1', 'hex'),
    integrity: `sha512-${digest('sha512', 'base64')}`
  }
  const { name, version } = manifest
  return {
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { ...manifest, _id: `${name}@${version}`, dist } },
    time: { [version]: '2026-01-01T00:00:00.000Z' }
  }
}
