import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import { type AddressInfo, isIPv6 } from 'node:net'
import { BackupError } from '../../errors.js'
import { onAbort } from '../../flow/on-abort.js'
import { parseArtifactName } from '../../format/names.js'
import { toStore } from '../../places/places.js'
import { serveBackups } from '../../serve/serve-backups.js'
import type { Store } from '../../types.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { describeError, Exit, UsageError } from '../exit.js'
import { toJsonLine } from '../json.js'
import { say } from '../output.js'
import { Reporter } from '../reporter.js'
import { describeStore, isStoreThere } from '../store.js'

/** Options of `ibt serve`. */
export interface ServeValues extends CommonValues {
  readonly host: string
  readonly port: number
  readonly key?: readonly string[]
  readonly token?: boolean
  readonly tokenFile?: string
  readonly allowHost?: readonly string[]
  readonly tlsCert?: string
  readonly tlsKey?: string
}

const LOOPBACK = ['localhost', '127.0.0.1', '::1']
/** How long requests that are under way may take when the server stops. */
const STOP_MS = 5000

/** `ibt serve`: until a signal comes. */
export async function runServe(values: ServeValues, signal: AbortSignal): Promise<number> {
  const { host, port, key: keys, allowHost } = values
  const isLoopback = LOOPBACK.includes(host)
  if (!isLoopback && values.token === false) throw new UsageError('--no-token is for the loopback interface alone')
  const reporter = new Reporter({ ...values, progress: false })
  const { token, isMade } = chooseToken(values)
  const { signal: _, ...places } = toPlaceOptions(values, signal)
  const store = toStore(places.store)
  if (!(await showsBackup(store, signal)) && !values.quiet) {
    say(`ibt: No backup yet in ${await describeStore(store)}\n`)
  }
  const names = isLoopback ? [...LOOPBACK_NAMES, ...(allowHost ?? [])] : (allowHost ?? 'any')
  const { handle } = serveBackups({ ...places, store, keys, token, hosts: names })
  const server = createListener(values, (request, response) => void handle(request, response))
  server.listen(port, host)
  await once(server, 'listening', { signal })
  const url = `${values.tlsCert === undefined ? 'http' : 'https'}://${isIPv6(host) ? `[${host}]` : host}:${(server.address() as AddressInfo).port}/`
  if (values.json) process.stdout.write(toJsonLine({ event: 'listening', url }))
  else if (!values.quiet) process.stdout.write(`Serving backups on ${url}\n`)
  if (isMade) say(`ibt: The password of this run, with any user name: ${token}\n`)
  await new Promise<void>(resolve => onAbort(signal, () => resolve()))
  await stop(server)
  return reporter.report({ url }, [], Exit.done)
}

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]']

/** @throws BackupError if it is not there, and what it throws if it cannot be listed */
async function showsBackup(store: Store, signal: AbortSignal): Promise<boolean> {
  if (!(await isStoreThere(store))) throw new BackupError('IBT_NO_BACKUP', 'No backups to serve')
  for await (const { name } of store.list('', { signal })) if (parseArtifactName(name) !== undefined) return true
  return false
}

function chooseToken({ token, tokenFile }: ServeValues): { readonly token?: string; readonly isMade?: boolean } {
  if (token === false) return {}
  const given = tokenFile === undefined ? process.env.IBT_SERVE_TOKEN : readToken(tokenFile)
  if (given) return { token: given }
  if (tokenFile !== undefined) throw new UsageError(`The token in ${tokenFile} is empty`)
  return { token: randomBytes(18).toString('base64url'), isMade: true }
}

function readToken(file: string): string {
  try {
    if (statSync(file).mode & 0o077) say(`ibt: Other users may read the token in ${file}: chmod 600\n`)
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new UsageError(`Cannot read the token: ${describeError(error)}`)
  }
}

/** With a certificate HTTP/2 and HTTP/1.1, else HTTP/1.1. */
function createListener({ tlsCert, tlsKey }: ServeValues, listener: Parameters<typeof createServer>[1]) {
  if (tlsCert === undefined && tlsKey === undefined) return createServer(listener!)
  if (tlsCert === undefined || tlsKey === undefined) throw new UsageError('Give both --tls-cert and --tls-key')
  try {
    const files = { cert: readFileSync(tlsCert), key: readFileSync(tlsKey) }
    return createSecureServer({ ...files, allowHTTP1: true }, listener as never)
  } catch (error) {
    throw new UsageError(`Cannot use the certificate: ${describeError(error)}`)
  }
}

/** Takes no more requests, and gives those that are under way some time. */
async function stop(server: Server | Http2SecureServer): Promise<void> {
  const connections = server as Partial<Server>
  const closed = once(server, 'close')
  server.close()
  connections.closeIdleConnections?.()
  const timer = setTimeout(() => {
    connections.closeAllConnections?.()
    server.emit('close')
  }, STOP_MS)
  await closed
  clearTimeout(timer)
}
