import { spawn } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { BackupError } from '../../errors.js'
import { ConnectionError } from './connection.js'
import type { HostSettings } from './host-settings.js'

/** Bytes of what a proxy says that an error repeats. */
const SAID_CHARACTERS = 500
const SAID_MS = 1000

/** What carries an SSH connection. */
export interface Transport {
  readonly stream: Duplex
  /** What a proxy has said on its stderr, when it has ended. */
  said(): Promise<string>
  ref(): void
  unref(): void
  destroy(): void
}

/**
 * Connects to a server: by TCP, or through the command that stands for a proxy.
 * @throws ConnectionError; BackupError IBT_STORE_FAILED for a name that is not known
 */
export function openTransport(settings: HostSettings): Promise<Transport> {
  const { proxy } = settings
  return proxy === undefined ? openSocket(settings) : Promise.resolve(openProxy(proxy))
}

function openSocket({ hostname, port, family, timeoutMs }: HostSettings): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port, family, noDelay: true, keepAlive: true })
    const fail = (cause: Error & { readonly code?: string }) => {
      socket.destroy()
      const message = `Cannot connect to ${hostname} port ${port}: ${cause.message}`
      // A name that nobody knows now is not known in a second either.
      if (cause.code === 'ENOTFOUND') reject(new BackupError('IBT_STORE_FAILED', message, { path: hostname, cause }))
      else reject(new ConnectionError(message, { cause }))
    }
    socket.setTimeout(timeoutMs, () => fail(new Error(`no answer after ${timeoutMs} ms`)))
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.setTimeout(0)
      socket.off('error', fail)
      // Whoever reads the stream hears of it as well; without a listener it would end the process.
      socket.on('error', () => {})
      resolve({
        stream: socket,
        said: async () => '',
        ref: () => void socket.ref(),
        unref: () => void socket.unref(),
        destroy: () => void socket.destroy()
      })
    })
  })
}

function openProxy([command, ...args]: readonly [string, ...string[]]): Transport {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    said = (said + text).slice(-SAID_CHARACTERS)
  })
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin })
  // Without a listener, an error would end the process.
  for (const each of [stream, child.stdin, child.stdout]) each.on('error', () => {})
  child.on('error', error => stream.destroy(error))
  const closed = new Promise<void>(resolve => child.once('close', () => resolve()))
  // Pipes of a child are sockets, which the types do not say.
  const handles = [child, child.stdin, child.stdout, child.stderr] as unknown as readonly Socket[]
  return {
    stream,
    said: async () => {
      // What it has started may keep its stderr open.
      await Promise.race([closed, setTimeout(SAID_MS)])
      return said.trim()
    },
    ref: () => handles.forEach(handle => void handle.ref()),
    unref: () => handles.forEach(handle => void handle.unref()),
    destroy: () => {
      stream.destroy()
      child.kill()
    }
  }
}
