import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Credentials that the proxy takes. The server behind it takes any. */
export const CREDENTIALS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI' }

/** An S3 server in a process of its own. */
export class S3Server {
  private constructor(
    readonly url: string,
    readonly process: ChildProcess
  ) {}

  static async start(): Promise<S3Server> {
    const script = fileURLToPath(new URL('server-process.js', import.meta.url))
    const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    return new S3Server(line.toString().trim(), child)
  }

  async stop(): Promise<void> {
    this.process.stdin?.end()
    await once(this.process, 'close')
  }
}
