import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { run } from './judges.js'

const SSHD = ['/usr/sbin/sshd', '/usr/local/sbin/sshd'].find(existsSync) ?? 'sshd'
/** Where sshd shuts itself in, as root. Debian makes it at boot. */
const PRIVILEGE_SEPARATION = '/run/sshd'

/** What a server of a test can be told. */
export interface SshServerOptions {
  /** Arguments of OpenSSH's SFTP server: `-R` lets nobody write, `-P` takes away requests. */
  readonly sftp?: string
  /** Default: any that is free. */
  readonly port?: number
}

/**
 * OpenSSH's server on loopback, with its own keys and configuration, and what a client needs to know in `config`. Each
 * connection has a server process of its own, which `kill` kills.
 */
export class SshServer {
  /** The name that the client's configuration has for the server. */
  readonly host = 'test-server'
  /** In the place of `~/.ssh/config`. */
  readonly config: string
  readonly knownHosts: string
  readonly key: string
  readonly username = userInfo().username
  readonly #children = new Set<ChildProcess>()
  readonly #sshdConfig: string
  #listener: Server | undefined
  /** Connections that have been made. */
  connections = 0

  private constructor(readonly directory: string) {
    this.config = join(directory, 'config')
    this.knownHosts = join(directory, 'known_hosts')
    this.key = join(directory, 'id')
    this.#sshdConfig = join(directory, 'sshd_config')
  }

  static async start(directory: string, { sftp = '', port = 0 }: SshServerOptions = {}): Promise<SshServer> {
    if (userInfo().uid === 0) mkdirSync(PRIVILEGE_SEPARATION, { recursive: true, mode: 0o755 })
    mkdirSync(directory, { recursive: true })
    const server = new SshServer(directory)
    const keys = ['id', 'host_key'].map(name => join(directory, name))
    for (const file of keys) run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', file])
    const lines = [
      `HostKey "${join(directory, 'host_key')}"`,
      `AuthorizedKeysFile "${join(directory, 'id.pub')}"`,
      'StrictModes no',
      'PermitRootLogin yes',
      'PasswordAuthentication no',
      // Only root reads for itself which accounts are locked.
      `UsePAM ${userInfo().uid === 0 ? 'no' : 'yes'}`,
      'MaxAuthTries 3',
      `Subsystem sftp internal-sftp ${sftp}`
    ]
    writeFileSync(server.#sshdConfig, `${lines.join('\n')}\n`)
    await server.listen(port)
    server.writeConfig()
    return server
  }

  get port(): number {
    return (this.#listener!.address() as AddressInfo).port
  }

  /** What `known_hosts` has under the name of the server. */
  get knownAs(): string {
    return `[127.0.0.1]:${this.port}`
  }

  get hostKey(): string {
    return readFileSync(join(this.directory, 'host_key.pub'), 'utf8').split(' ').slice(0, 2).join(' ')
  }

  /** The URL of a directory. */
  url(path: string): string {
    return `sftp://${this.host}${path}?config=${encodeURIComponent(this.config)}`
  }

  /** Writes what the client needs to know; lines of a test come first, and so count. */
  writeConfig(...lines: readonly string[]): void {
    const config = [
      `Host ${this.host}`,
      ...lines,
      'HostName 127.0.0.1',
      `Port ${this.port}`,
      `User ${this.username}`,
      `IdentityFile "${this.key}"`,
      'IdentityAgent none',
      `UserKnownHostsFile "${this.knownHosts}"`,
      'GlobalKnownHostsFile none',
      'StrictHostKeyChecking yes'
    ]
    writeFileSync(this.config, `${config.join('\n')}\n`)
    writeFileSync(this.knownHosts, `${this.knownAs} ${this.hostKey}\n`)
  }

  async listen(port = 0): Promise<void> {
    this.#listener = createServer({ pauseOnConnect: true }, socket => {
      this.connections++
      const child = spawn(SSHD, ['-i', '-e', '-f', this.#sshdConfig], { stdio: [socket, socket, 'ignore'] })
      this.#children.add(child)
      child.on('exit', () => this.#children.delete(child))
      socket.on('error', () => {})
      socket.destroy()
    })
    this.#listener.listen(port, '127.0.0.1')
    await once(this.#listener, 'listening')
  }

  /** Ends all connections at once, as a crash does. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    for (const child of this.#children) {
      // The process that talks is a child of the one that watches it.
      for (const pid of childrenOf(child.pid!)) killIfThere(pid, signal)
      child.kill(signal)
    }
  }

  /** Kills all connections and takes no other one. */
  async stop(): Promise<void> {
    this.#listener?.close()
    this.kill()
    await Promise.all([...this.#children].map(child => once(child, 'exit')))
  }
}

/** A connection that is over ends its processes by itself, maybe just now. */
function killIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Source: proc(5), /proc/PID/task/TID/children. */
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}
