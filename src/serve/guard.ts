import { createHash, timingSafeEqual } from 'node:crypto'
import { type Asked, HttpError } from './answer.js'

const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]']

/** Options of who may ask. */
export interface GuardOptions {
  /** What every request has to show: as a bearer token, or as the password of any user. Default: nothing. */
  readonly token?: string | undefined
  /**
   * Names that the `Host` of a request may have, without the port: a web page of somebody else, whose name is made to lead
   * to this machine, has another one. Default: those of the loopback interface; `any`: all.
   */
  readonly hosts?: readonly string[] | 'any' | undefined
}

/** Checks who asks. @throws HttpError 401, 421 */
export function createGuard({ token, hosts = LOOPBACK }: GuardOptions): (asked: Asked) => void {
  if (token === '') throw new RangeError('The token is empty')
  const wanted = token === undefined ? undefined : digest(token)
  return ({ host = '', header }) => {
    const name = host.replace(/:\d+$/, '').toLowerCase()
    if (hosts !== 'any' && !hosts.includes(name)) throw new HttpError(421, 'This server does not answer to that name')
    if (wanted === undefined || timingSafeEqual(digest(tokenOf(header('authorization')) ?? ''), wanted)) return
    throw new HttpError(401, 'A token is needed: as a bearer token, or as the password of any user', {
      'www-authenticate': 'Basic realm="backups", charset="UTF-8"'
    })
  }
}

/** Digests have one length, whatever was sent. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest()
}

function tokenOf(authorization: string | undefined): string | undefined {
  const [, scheme, value] = /^(\w+) +(\S+) *$/.exec(authorization ?? '') ?? []
  if (scheme?.toLowerCase() === 'bearer') return value
  if (scheme?.toLowerCase() !== 'basic') return undefined
  const text = Buffer.from(value!, 'base64').toString('utf8')
  return text.slice(text.indexOf(':') + 1)
}
