import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import http, { type RequestListener } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

const NOBODY = 65534

/** A server that runs until it is closed. */
export interface WebServer {
  readonly url: string
  close(): Promise<void>
}

/** nginx with a directory, which it lists in JSON or in pages. */
export async function startNginx(root: string, work: string, { format = 'json' } = {}): Promise<WebServer> {
  mkdirSync(work, { recursive: true })
  const config = join(work, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `${name}_temp_path ${JSON.stringify(join(work, name))};`
  )
  const configOf = (port: number) =>
    `daemon off; pid ${JSON.stringify(join(work, 'pid'))}; error_log ${JSON.stringify(join(work, 'log'))};
    ${process.geteuid?.() === 0 ? 'user root;' : ''}
    events {}
    http {
      access_log off; keepalive_requests 100000; ${temporary.join(' ')}
      server {
        listen 127.0.0.1:${port}; root ${JSON.stringify(root)};
        location / { autoindex on; autoindex_format ${format}; }
        location /unlisted/ { autoindex off; }
      }
    }`
  return startConfigured(root, config, configOf, 'nginx', '-p', work, '-c', config)
}

/** Apache with a directory, which it lists in pages. */
export async function startApache(root: string, work: string): Promise<WebServer> {
  mkdirSync(work, { recursive: true })
  const config = join(work, 'apache.conf')
  const modules = ['mpm_event', 'authz_core', 'dir', 'autoindex'].map(
    name => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`
  )
  const configOf = (port: number) =>
    `ServerRoot "${work}"\nServerName 127.0.0.1\nListen 127.0.0.1:${port}\nPidFile "${work}/pid"\nErrorLog "${work}/log"
    DefaultRuntimeDir "${work}"\n${modules.join('\n')}\nDocumentRoot "${root}"
    <Directory "${root}">\nOptions Indexes\nIndexOptions FancyIndexing\nRequire all granted\n</Directory>\n`
  return startConfigured(root, config, configOf, 'apache2', '-D', 'FOREGROUND', '-f', config)
}

/** Apache with a directory that anybody writes by WebDAV. Its processes, if root starts it, are of the user `nobody`. */
export async function startDav(root: string, work: string): Promise<WebServer> {
  for (const path of [root, work]) mkdirSync(path, { recursive: true })
  if (process.geteuid?.() === 0) for (const path of [root, work]) chownSync(path, NOBODY, NOBODY)
  const config = join(work, 'apache.conf')
  const modules = ['mpm_event', 'authz_core', 'dav', 'dav_fs'].map(
    name => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`
  )
  const configOf = (port: number) =>
    `ServerRoot "${work}"\nServerName 127.0.0.1\nListen 127.0.0.1:${port}\nPidFile "${work}/pid"\nErrorLog "${work}/log"
    User nobody\nGroup nogroup\nDefaultRuntimeDir "${work}"\n${modules.join('\n')}\nDocumentRoot "${root}"
    DAVLockDB "${work}/locks"\n<Directory "${root}">\nDav On\nRequire all granted\n</Directory>\n`
  return startConfigured(root, config, configOf, 'apache2', '-D', 'FOREGROUND', '-f', config)
}

/** Python's server: it lists in pages, and ignores ranges. */
export async function startPython(root: string): Promise<WebServer> {
  const args = ['-m', 'http.server', '--bind', '127.0.0.1', '--directory', root]
  return startServer(root, port => spawn('python3', [...args, `${port}`], { stdio: 'ignore' }))
}

/** A server of this process, for answers that no other gives. */
export async function startHttp(
  listener: RequestListener
): Promise<WebServer & { readonly connections: () => number }> {
  let connections = 0
  const server = http.createServer(listener)
  // A connection that waits for the next request is not closed, however long a test stands still.
  server.keepAliveTimeout = 0
  server.on('connection', () => connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    connections: () => connections,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  }
}

/** A server whose configuration says the port. */
function startConfigured(
  root: string,
  config: string,
  configOf: (port: number) => string,
  program: string,
  ...args: string[]
): Promise<WebServer> {
  return startServer(root, port => {
    writeFileSync(config, configOf(port))
    return spawn(program, args, { stdio: 'ignore' })
  })
}

/** Starts a server of a directory on a port that is free, on another one if somebody else takes it first. */
async function startServer(root: string, start: (port: number) => ChildProcess): Promise<WebServer> {
  const proof = randomUUID()
  writeFileSync(join(root, proof), '')
  try {
    for (let tries = 0; tries < 5; tries++) {
      const port = await freePort()
      const child = start(port)
      const ended = once(child, 'exit')
      const close = async () => {
        child.kill('SIGTERM')
        await ended
      }
      if (await serves(child, `http://127.0.0.1:${port}/${proof}`)) return { url: `http://127.0.0.1:${port}/`, close }
      await close()
    }
  } finally {
    rmSync(join(root, proof))
  }
  throw new Error(`No server of ${root} answers`)
}

/** Whether it is this server that answers, and not the one of another test. */
async function serves(child: ChildProcess, url: string): Promise<boolean> {
  for (let tries = 0; tries < 2400 && child.exitCode === null && child.signalCode === null; tries++) {
    const isOk = await fetch(url).then(
      response => response.body?.cancel().then(() => response.ok) ?? response.ok,
      () => undefined
    )
    if (isOk !== undefined) return isOk
    await setTimeout(50)
  }
  return false
}

/** Below the ports that the system gives to connections, which would take it before the server does. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 20_000)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
