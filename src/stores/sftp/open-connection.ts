import type { Client, SFTPWrapper } from 'ssh2'
import { BackupError, isBackupError } from '../../errors.js'
import { loadPeers, optional } from '../../peer.js'
import { Connection, ConnectionError } from './connection.js'
import { type Address, type HostSettings, readHostSettings } from './host-settings.js'
import { KnownHost } from './known-hosts.js'
import { type Credentials, findLogins, type Logins } from './logins.js'
import { openTransport, type Transport } from './transport.js'

export type Ssh2 = typeof import('ssh2')

/** A host-key algorithm for each type of key: RSA keys sign in more than one way. */
const ALGORITHMS: Readonly<Record<string, readonly string[]>> = { 'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'] }
/** What ssh2 says of it: for its level, it is a fault of the protocol. */
const LOST_AT_ONCE = 'Connection lost before handshake'
const SUPPORTED = /^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|rsa-sha2-(256|512))$/

/**
 * Connects, checks the host key, logs in and begins an SFTP session.
 *
 * @throws ConnectionError if another attempt may succeed
 * @throws BackupError IBT_HOST_KEY, IBT_PEER_MISSING; IBT_STORE_FAILED if the server lets nobody in
 */
export async function openConnection(address: Address, credentials: Credentials): Promise<Connection> {
  const { default: ssh2 } = await loadPeers('SFTP stores', ['ssh2'], () => import('ssh2').catch(optional))
  const settings = await readHostSettings(address)
  const [host, logins] = await Promise.all([KnownHost.read(settings), findLogins(ssh2, settings, credentials)])
  const transport = await openTransport(settings)
  const client = new ssh2.Client()
  // It also reports what ended one way to log in, and an error without a listener would end the process.
  client.on('error', () => {})
  try {
    await logIn(client, transport, host, logins)
    return new Connection(client, await beginSession(client, settings), transport)
  } catch (error) {
    client.end()
    const failure = isBackupError(error) ? error : await failed(settings, error as SshError, transport)
    transport.destroy()
    throw failure
  }
}

type SshError = Error & { readonly level?: string }

/** @throws BackupError for what no other attempt would change; else what ssh2 says, or undefined */
async function logIn(client: Client, transport: Transport, host: KnownHost, logins: Logins): Promise<void> {
  const { settings } = host
  let refused: BackupError | undefined
  let shown: Buffer | undefined
  const ready = new Promise<void>((resolve, reject) => {
    client.once('ready', resolve)
    client.on('error', (error: SshError) => {
      if (error.level === 'agent') logins.skipped.push(`the agent: ${error.message}`)
      else if (error.level === 'client-authentication') refused ??= notLetIn(settings, logins, error)
      else reject(refused ?? error)
    })
    client.once('close', () => reject(refused))
  })
  client.connect({
    sock: transport.stream,
    username: settings.username,
    readyTimeout: settings.timeoutMs,
    authHandler: logins.methods,
    algorithms: { serverHostKey: { prepend: algorithmsOf(host.types), append: [], remove: [] } },
    hostVerifier: (key: Buffer) => {
      refused = host.refusal(key)
      shown = key
      return refused === undefined
    }
  } as Parameters<Client['connect']>[0])
  await ready
  await host.add(shown!)
}

function algorithmsOf(types: readonly string[]): string[] {
  return types.flatMap(type => ALGORITHMS[type] ?? [type]).filter(algorithm => SUPPORTED.test(algorithm))
}

async function failed({ knownAs }: HostSettings, cause: SshError | undefined, transport: Transport): Promise<Error> {
  const said = await transport.said()
  const message = `Cannot connect to ${knownAs}${said === '' ? '' : `: ${said}`}`
  if (cause === undefined || mayPass(cause))
    return new ConnectionError(`${message}: ${cause?.message ?? 'the connection was closed'}`, { cause })
  return new BackupError('IBT_STORE_FAILED', message, { path: knownAs, cause })
}

/** Whether another attempt may succeed. A server or a proxy with too much to do ends connections before its first word. */
function mayPass({ level = '', message }: SshError): boolean {
  return ['client-socket', 'client-timeout'].includes(level) || message === LOST_AT_ONCE
}

function notLetIn({ knownAs, username }: HostSettings, { offered, skipped }: Logins, cause: Error): BackupError {
  const tried = offered.length === 0 ? 'there was no key to offer' : `offered were ${offered.join(', ')}`
  const left = skipped.length === 0 ? '' : `; left out: ${skipped.join('; ')}`
  return new BackupError('IBT_STORE_FAILED', `${knownAs} does not let ${username} in: ${tried}${left}`, {
    path: knownAs,
    cause
  })
}

function beginSession(client: Client, { knownAs }: HostSettings): Promise<SFTPWrapper> {
  return new Promise((resolve, reject) => {
    client.once('close', () => reject(undefined))
    client.sftp((error, sftp) => {
      if (error === undefined || error === null) return resolve(sftp)
      reject(new BackupError('IBT_STORE_FAILED', `${knownAs} has no SFTP: ${error.message}`, { cause: error }))
    })
  })
}
